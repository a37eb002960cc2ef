"""Asking a Docker engine before the first deploy, and judging what it said. Nothing is made there."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crm.recipe import Recipe
from crmhost.doctor.finding import Finding, amount

if TYPE_CHECKING:
    from infra.engine.engine import Engine
    from infra.settings import HostSettings, Ingress

DISK = 5 << 30
"""Bytes that must be free: the images of a release and of the one before it, databases and their dumps."""
SKEW = 10
"""Seconds that the host's clock may differ from this machine's."""
OLDEST = (1, 41)
"""The oldest API that is taken to be enough: Docker 20.10's."""
_TIMEOUT = 3.0


@dataclass(frozen=True, slots=True)
class Door:
    """A port of the ingress on the host. held: the containers that publish it. answers: something listens there."""

    port: int
    held: tuple[str, ...]
    answers: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What the engine said. Bytes, seconds; disk None: it cannot be seen. skew: how far its clock is ahead."""

    url: str
    version: str
    api: tuple[int, ...]
    memory: int
    skew: float
    disk: int | None
    doors: tuple[Door, ...]
    ingress: str


def ask(engine: Engine, settings: HostSettings) -> Asked:
    """Ask the engine for all that is judged; raises HostError where it does not answer."""
    from infra.engine.space import free
    from infra.naming import INGRESS

    before = time.time()
    with engine.asking(settings.reach.url):
        info = engine.client.info()
        version = engine.client.version(api_version=False)
        containers = engine.client.containers()
    theirs = datetime.fromisoformat(str(info["SystemTime"])).timestamp()
    published = [
        (name.lstrip("/"), int(port["PublicPort"]))
        for row in containers
        for name in row["Names"][:1]
        for port in row["Ports"] or ()
        if port.get("PublicPort")
    ]
    doors = tuple(
        Door(port, tuple(sorted({name for name, held in published if held == port})), _answers(settings, port))
        for port in (settings.ingress.http, settings.ingress.https)
    )
    return Asked(
        url=settings.reach.url,
        version=engine.version,
        api=tuple(int(part) for part in str(version.get("ApiVersion", "0")).split(".")),
        memory=int(info["MemTotal"]),
        skew=_skew(theirs, before, time.time()),
        disk=free(settings.reach, str(info["DockerRootDir"])),
        doors=doors,
        ingress=INGRESS,
    )


def judge(asked: Asked, recipe: Recipe) -> Iterator[Finding]:
    """Yield a finding for each thing that was asked, with one remedy where something is to be done. Pure."""
    spoken = ".".join(map(str, asked.api))
    old = asked.api < OLDEST
    yield Finding(
        "engine",
        f"Docker {asked.version} (API {spoken}) at {asked.url}",
        "Install Docker 20.10 or newer on the host." if old else "",
    )
    if asked.disk is None:
        yield Finding("disk", "cannot be seen from here; on the host: df -h")
    else:
        short = asked.disk < DISK
        remedy = f"Free at least {amount(DISK)} on the host: docker system df, docker image prune." if short else ""
        yield Finding("disk", f"{amount(asked.disk)} free", remedy)
    yield _memory(asked, recipe)
    way = "ahead of" if asked.skew > 0 else "behind"
    if abs(asked.skew) > SKEW:
        yield Finding("clock", f"{abs(asked.skew):.0f} s {way} this machine's", "Set the host's clock by NTP.")
    else:
        yield Finding("clock", "agrees with this machine's")
    for door in asked.doors:
        yield _door(asked, door)


def _memory(asked: Asked, recipe: Recipe) -> Finding:
    needs = sum(process.memory_mb for process in recipe.processes)
    needs += max((job.memory_mb for job in recipe.jobs), default=0)
    enough = asked.memory >= needs << 20
    remedy = "" if enough else f"One customer of {recipe.title} may use {needs} MiB: take a larger host."
    return Finding("memory", f"{amount(asked.memory)} in all", remedy)


def _door(asked: Asked, door: Door) -> Finding:
    what = f"port {door.port}"
    others = [name for name in door.held if name != asked.ingress]
    if others:
        remedy = f"End {', '.join(others)}, or give the ingress another port: cloud.ingress in crmhost.yaml."
        return Finding(what, f"the container {', '.join(others)} has it", remedy)
    if door.held:
        return Finding(what, "the ingress has it")
    if door.answers:
        remedy = "End it, or give the ingress another port: cloud.ingress in crmhost.yaml."
        return Finding(what, "something that is no container listens there", remedy)
    return Finding(what, "nothing listens there")


def _answers(settings: HostSettings, port: int) -> bool:
    try:
        with socket.create_connection((_host(settings), port), _TIMEOUT):
            return True
    except OSError:
        return False


def _host(settings: HostSettings) -> str:
    """Return where the host's ports are reached from here."""
    ingress: Ingress = settings.ingress
    if ingress.address is not None and ingress.address[1] in {ingress.http, ingress.https}:
        return ingress.address[0]
    if settings.reach.scheme == "unix" and ingress.bind not in {"0.0.0.0", "::"}:  # noqa: S104 -- compared, not bound
        return ingress.bind
    return settings.reach.host


def _skew(theirs: float, before: float, after: float) -> float:
    """Return how far a clock that was read between two instants of ours is ahead, at the least."""
    return theirs - after if theirs > after else min(0.0, theirs - before)
