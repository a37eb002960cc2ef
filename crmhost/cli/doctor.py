"""`crmhost doctor`: what is missing on this machine, and what mends it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from crm.errors import CrmhostError
from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.fleet import Fleet
from crmhost.output import json_line, table


class Finding(NamedTuple):
    """One thing that was looked at; `remedy` is empty where it is as it should be."""

    what: str
    found: str
    remedy: str = ""


@click.command(epilog=examples("crmhost doctor", "crmhost doctor --json", "crmhost doctor --install"))
@click.option("--install", is_flag=True, help="First bring Pulumi, where it is missing: what cloud targets need.")
@as_json
def command(as_json: bool, install: bool) -> int:
    """Look at Python, SSH keys, the age identity, the fleet and Pulumi. Exit code 1 where something is to be mended."""
    if install:
        _install()
    findings = [*_machine(), *_fleet(), *_cloud()]
    if as_json:
        for one in findings:
            json_line("finding", **one._asdict(), ok=not one.remedy)
    else:
        rows = [("ok" if not one.remedy else "MEND", one.what, one.found) for one in findings]
        click.echo(table(("", "WHAT", "FOUND"), rows))
        for one in findings:
            if one.remedy:
                click.echo(f"{one.what}: {one.remedy}")
    return 1 if any(one.remedy for one in findings) else 0


def _machine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", version, "" if sys.version_info >= (3, 11) else "crmhost needs Python 3.11 or newer")
    agent = os.environ.get("SSH_AUTH_SOCK")
    keys = sorted(path.name for path in (Path.home() / ".ssh").glob("id_*") if path.suffix != ".pub")
    found = ", ".join((["the agent"] if agent else []) + keys)
    yield Finding(
        "ssh keys", found or "none", "" if found else "make one: ssh-keygen -t ed25519, or name one in crmhost.yaml"
    )
    free = shutil.disk_usage(Path.cwd()).free >> 20
    yield Finding("disk", f"{free} MiB free here", "" if free > 200 else "free some: the monitor's store grows")


def _fleet() -> Iterator[Finding]:
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


def _install() -> None:
    from infra import toolchain

    cache = toolchain.default_cache(os.environ)
    try:
        toolchain.find(os.environ, cache)
    except CrmhostError:
        toolchain.install(cache, lambda line: click.echo(line, err=True))


def _cloud() -> Iterator[Finding]:
    """Look at what the targets of kind cloud need, where the fleet has any."""
    try:
        fleet = open_fleet()
        if not any(_is_cloud(fleet, name) for name in fleet.names()):
            return
    except CrmhostError:
        return  # said already
    yield from _pulumi()
    yield from _provider()


def _is_cloud(fleet: Fleet, name: str) -> bool:
    try:
        return fleet.contract(name).target.kind == "cloud"
    except CrmhostError:
        return False  # `crmhost check` says what is wrong with it


def _pulumi() -> Iterator[Finding]:
    from infra import toolchain
    from infra.command import Bounded

    try:
        found = toolchain.find(os.environ, toolchain.default_cache(os.environ))
        version = Bounded(found.folder, os.environ).version
    except CrmhostError as error:
        yield Finding("pulumi", error.what, error.remedy)
        return
    yield Finding("pulumi", f"{version} in {found.folder}")
    if not found.language_host:
        remedy = f"put {toolchain.LANGUAGE_HOST} beside it; the official Pulumi brings it"
        yield Finding("pulumi up by hand", "cannot run Python programs", remedy)


def _provider() -> Iterator[Finding]:
    from infra import toolchain

    version, plugin = toolchain.plugin_version(), toolchain.find_plugin(os.environ)
    yield Finding(
        "docker provider",
        str(plugin) if plugin else f"{toolchain.PLUGIN} {version} is absent",
        "" if plugin else f"pulumi plugin install resource docker {version} (--file PLUGIN where it is at hand)",
    )
