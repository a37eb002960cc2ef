"""What this machine and the fleet have, and what mends what they lack."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from crm.errors import CrmhostError
from crmhost.doctor.finding import Finding
from crmhost.fleet import Fleet

Open = Callable[[], Fleet]
"""Returns the fleet; raises CrmhostError where there is none."""


def machine(open_fleet: Open) -> Iterator[Finding]:
    """Look at Python, the SSH keys and the disk."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", version, "" if sys.version_info >= (3, 11) else "crmhost needs Python 3.11 or newer")
    yield _keys(_named_key(open_fleet))
    free = shutil.disk_usage(Path.cwd()).free >> 20
    yield Finding("disk", f"{free} MiB free here", "" if free > 200 else "free some: the monitor's store grows")


def _named_key(open_fleet: Open) -> Path | None:
    """Return the key that the fleet's crmhost.yaml names."""
    try:
        fleet = open_fleet()
        named = fleet.settings.ssh.key
    except CrmhostError:
        return None  # said with the fleet
    return None if named is None else fleet.folder / Path(named).expanduser()


def _keys(named: Path | None) -> Finding:
    if named is not None:
        there = named.is_file()
        remedy = "" if there else "bring it there, or name another one in crmhost.yaml (ssh: {key: …})"
        return Finding("ssh keys", f"{named}, as crmhost.yaml says{'' if there else ': there is no such file'}", remedy)
    agent = os.environ.get("SSH_AUTH_SOCK")
    keys = sorted(path.name for path in (Path.home() / ".ssh").glob("id_*") if path.suffix != ".pub")
    found = ", ".join((["the agent"] if agent else []) + keys)
    remedy = "" if found else "make one: ssh-keygen -t ed25519, or name one in crmhost.yaml (ssh: {key: …})"
    return Finding("ssh keys", found or "none", remedy)


def fleet_of(open_fleet: Open) -> Iterator[Finding]:
    """Look at the identity, the fleet and its key for statements."""
    from crmhost.vault import FLEET, load_identity

    try:
        recipient = str(load_identity(os.environ).to_public())
    except CrmhostError as error:
        yield Finding("age identity", error.what, error.remedy)
        return
    yield Finding("age identity", recipient)
    try:
        fleet = open_fleet()
        settings = fleet.settings
    except CrmhostError as error:
        yield Finding("fleet", error.what, error.remedy)
        return
    yield Finding("fleet", f"{fleet.folder}, {len(fleet.names())} contracts")
    known = recipient in settings.recipients
    remedy = "" if known else "have somebody add it to crmhost.yaml and run: crmhost secrets rekey"
    yield Finding("recipient", "this identity is one" if known else "this identity is none", remedy)
    try:
        signed = fleet.vault.get(FLEET, "statement-key") is not None
        yield Finding(
            "statement key",
            "is there" if signed else "is absent",
            "" if signed else "bring it back from the repository",
        )
    except CrmhostError as error:
        yield Finding("statement key", error.what, error.remedy)


def cloud(open_fleet: Open) -> Iterator[Finding]:
    """Look at what the targets of kind cloud need, where the fleet has any."""
    try:
        fleet = open_fleet()
        if not any(_is_cloud(fleet, name) for name in fleet.names()):
            return
    except CrmhostError:
        return  # said already
    yield from toolchain()


def _is_cloud(fleet: Fleet, name: str) -> bool:
    try:
        return fleet.contract(name).target.kind == "cloud"
    except CrmhostError:
        return False  # `crmhost check` says what is wrong with it


def toolchain() -> Iterator[Finding]:
    """Look at Pulumi and its Docker provider."""
    yield from _pulumi()
    yield from _provider()


def _pulumi() -> Iterator[Finding]:
    from infra import toolchain as tools
    from infra.command import Bounded

    try:
        found = tools.find(os.environ, tools.default_cache(os.environ))
        version = Bounded(found.folder, os.environ).version
    except CrmhostError as error:
        yield Finding("pulumi", error.what, error.remedy)
        return
    yield Finding("pulumi", f"{version} in {found.folder}")
    if not found.language_host:
        remedy = f"put {tools.LANGUAGE_HOST} beside it; the official Pulumi brings it"
        yield Finding("pulumi up by hand", "cannot run Python programs", remedy)


def _provider() -> Iterator[Finding]:
    from infra import plugin as provider
    from infra.runner import handed_on

    wanted, plugin = provider.plugin_version(), provider.find_plugin(os.environ)
    if plugin is None:
        remedy = f"pulumi plugin install resource docker {wanted} (--file PLUGIN where it is at hand)"
        yield Finding("docker provider", f"{provider.PLUGIN} {wanted} is absent", remedy)
        return
    version = provider.said_version(plugin, handed_on(os.environ))
    try:
        provider.refuse_other(plugin, version)
    except CrmhostError as error:
        yield Finding("docker provider", error.what, error.remedy)
        return
    yield Finding("docker provider", f"{version or 'of a version that it does not say'}: {plugin}")
