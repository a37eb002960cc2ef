"""Which release each site of a Docker host is sent to: folders of empty files that the ingress looks at by itself.

Each change is one program run in the ingress's container that makes or removes one file, so a request sees the site as
it was before or as it is after, and nothing is reloaded. What the files mean: infra/ingress/Caddyfile.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import docker.errors

from crm.errors import HostError
from infra import naming
from infra.engine.engine import Engine
from infra.ingress.configuration import ROOT_CERTIFICATE, SITES
from infra.rollout import Slot

_TIMEOUT = 30.0
_MAINTENANCE = re.compile(r"maintenance-(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Site:
    """How customers of one host name are served. slot: None, it is no site; closed: the maintenance page instead."""

    slot: Slot | None = None
    closed: bool = False


def state(engine: Engine, host: str) -> Site:
    """Return how a host name is served; also of an ingress that is down, and no site where there is none."""
    return _site(_listed(engine, f"{SITES}/{host}"))


def every(engine: Engine) -> dict[str, Site]:
    """Return every site of the host."""
    files: dict[str, list[str]] = {}
    for path in _listed(engine, SITES):
        host, slash, name = path.partition("/")
        if slash:
            files.setdefault(host, []).append(name)
    return {host: site for host, names in sorted(files.items()) if (site := _site(names)).slot is not None}


def serving_slot(engine: Engine, host: str) -> Slot | None:
    """Return the slot that customers are sent to, or None where the host name is no site."""
    return state(engine, host).slot


def serve(engine: Engine, host: str, slot: Slot) -> None:
    """Send customers to the slot from now on; the site is made where there is none."""
    folder = f"{SITES}/{host}"
    new = state(engine, host).slot is None
    if new:
        _do(engine, "mkdir", "-p", folder)
    _do(engine, *(("touch", f"{folder}/b") if slot == "b" else ("rm", "-f", f"{folder}/b")))
    if new:
        _do(engine, "touch", f"{folder}/site")


def maintain(engine: Engine, host: str, *, on: bool, retry_after: int = 120) -> None:
    """Show the maintenance page (503, Retry-After in seconds), or let customers in again; may be said twice."""
    folder = f"{SITES}/{host}"
    there = [name for name in _listed(engine, folder) if _MAINTENANCE.fullmatch(name)]
    wanted = f"maintenance-{retry_after}"
    if on and wanted not in there:
        _do(engine, "mkdir", "-p", folder)
        _do(engine, "touch", f"{folder}/{wanted}")
    gone = [f"{folder}/{name}" for name in there if not (on and name == wanted)]
    if gone:
        _do(engine, "rm", "-f", *gone)


def remove(engine: Engine, host: str) -> None:
    """Make the host name no site any more; one that is none is no error."""
    if _listed(engine, f"{SITES}/{host}", itself=True):
        _do(engine, "rm", "-f", f"{SITES}/{host}/site")  # first of all: from now on nobody is served
        _do(engine, "rm", "-rf", f"{SITES}/{host}")


def authority(engine: Engine) -> str:
    """Return the certificate (PEM) of the ingress's own authority; raises HostError where it has none."""
    found = engine.get(naming.INGRESS, ROOT_CERTIFICATE) if engine.container(naming.INGRESS) else None
    if found is None:
        raise HostError(
            f"{engine.reach.url}: the ingress has no authority of its own",
            "It makes one where crmhost.yaml says cloud: {ingress: {certificates: internal}}; then: crmhost host up",
        )
    return found.decode()


def _site(names: Iterable[str]) -> Site:
    found = frozenset(names)
    slot: Slot | None = None if "site" not in found else "b" if "b" in found else "a"
    return Site(slot, any(_MAINTENANCE.fullmatch(name) for name in found))


def _listed(engine: Engine, folder: str, *, itself: bool = False) -> Sequence[str]:
    """Return the files below a folder of the ingress, relative to it; `itself`: an empty name for the folder as well.

    Asked for as an archive, which needs no program there: an ingress that is down can tell as well.
    """
    with engine.asking(naming.INGRESS):
        try:
            chunks, _ = engine.client.get_archive(naming.INGRESS, folder)
        except docker.errors.NotFound:
            return ()
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            names = [member.name.partition("/")[2] for member in archive if itself or not member.isdir()]
    return names


def _do(engine: Engine, *argv: str) -> None:
    """Run a program in the ingress's container, as the account whose the sites are."""
    there = engine.container(naming.INGRESS)
    if there is None or not there.running:
        raise HostError(
            f"{engine.reach.url}: the ingress {'is not there' if there is None else f'is {there.state}'}",
            f"Bring it up: crmhost host up {engine.reach.url}",
        )
    said = engine.execute(naming.INGRESS, argv, timeout=_TIMEOUT)
    if said.code != 0:
        raise HostError(f"{naming.INGRESS}: {argv[0]} failed: {said.text.strip()[:300]}", "Is the host's disk full?")
