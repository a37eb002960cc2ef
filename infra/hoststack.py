"""What a Docker host has once for all customers, made by the first deploy and left alone by every destroy.

| thing | why |
|---|---|
| network `crmhost-edge` | the ingress and every customer's web containers, and nothing else, are on it |
| volume `crmhost-sites` | a folder for each site (infra.sites); protected |
| volume `crmhost-ingress-data` | certificates and the account they were asked for with; protected |
| volume `crmhost-templates` | initialised databases, so that the next customer begins in seconds (infra.templates) |
| container and volume `crmhost-ingress-files` | the ingress's configuration, and the one-shot that gives it away |
| container `crmhost-ingress` | Caddy: not root, read-only, no capability but the one that its program is marked with |

They are a Pulumi stack of their own (infra.hostprogram). Whether there is anything to do is asked of Docker itself, so
a deploy pays one look for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm.driver import Progress
from crm.errors import LockHeld, Refused
from crm.plan import Change
from infra import naming, sites
from infra.engine.engine import Engine
from infra.engine.lock import Claim, Held, hold
from infra.engine.seen import Seen, SeenContainer
from infra.hostrecord import host_to
from infra.ingress import configuration
from infra.ingress.configuration import HOST
from infra.settings import HostSettings
from infra.workfolder import WorkFolder

if TYPE_CHECKING:
    from infra.recovery import Asked
    from infra.runner import Access, Runner

VOLUMES = (naming.SITES, naming.INGRESS_DATA, naming.TEMPLATES, configuration.FILES)
PATIENCE = 180.0
"""Seconds within which another deploy has made the host stack."""
_PAUSE = 0.5
_TIMEOUT = 600.0
_PAUSED, _OFF = "it is paused", "it is off its network"
"""What Pulumi does not see, so that Docker is told directly."""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """How a host stands. docker: the engine's version. ingress: its container's state, `absent` where there is none."""

    docker: str
    ingress: str
    changes: tuple[Change, ...]
    sites: dict[str, sites.Site]


def differs(engine: Engine, settings: HostSettings) -> tuple[Change, ...]:
    """Return what is not as the settings want it; one look, nothing changed."""
    return compare(engine.seen(HOST), settings)


def ensure(
    engine: Engine, settings: HostSettings, access: Access, progress: Progress, who: str = "crmhost"
) -> tuple[Change, ...]:
    """Make what is missing or differs, and return what that was; where another deploy is at it, wait for that one.

    Raises Refused where the ingress was set up by another fleet and is to be otherwise.
    """
    if not differs(engine, settings):
        _record(settings, access)
        return ()
    with _alone(engine, settings, f"host up {engine.reach.url}", who) as held:
        changes = differs(engine, settings)
        if not changes:
            return ()
        stack = _runner(settings, access)
        _refuse_others(engine, stack, changes)
        _mend(engine, changes)
        if differs(engine, settings):
            held.check()
            _up(stack, settings, progress)
        _record(settings, access)
    return changes


def status(engine: Engine, settings: HostSettings) -> HostStatus:
    """Return how the host stands."""
    there = engine.container(naming.INGRESS)
    ingress = "absent" if there is None else there.state
    return HostStatus(engine.version, ingress, differs(engine, settings), sites.every(engine))


def destroy(engine: Engine, settings: HostSettings, access: Access, progress: Progress, who: str = "crmhost") -> None:
    """Remove the host stack with its certificates and templates; refuses while customers are on the host."""
    from infra import recovery

    with _alone(engine, settings, f"host destroy {engine.reach.url}", who) as held:
        customers = sorted({*sites.every(engine), *engine.contracts()} - {HOST})
        if customers:
            raise Refused(
                f"{engine.reach.url}: customers are served from this host: {', '.join(customers)}",
                "Destroy or move them first: crmhost destroy NAME.",
            )
        stack = _runner(settings, access)
        if stack.exists():
            recovery.recover(stack, _asked(settings), progress)
            stack.unprotect(recovery.protected(stack.deployment()))
            held.check()
            stack.destroy(progress)
            stack.remove()
            stack.folder.remove()


def compare(seen: Seen, settings: HostSettings) -> tuple[Change, ...]:
    """Return what of the host's own things differs. Pure."""
    changes = [] if naming.EDGE in seen.networks else [_missing(f"network:{naming.EDGE}")]
    changes += [_missing(f"volume:{name}") for name in VOLUMES if name not in seen.volumes]
    ingress = seen.containers.get(naming.INGRESS)
    name = f"container:{naming.INGRESS}"
    if ingress is None:
        return (*changes, _missing(name))
    return (*changes, *_ingress(name, ingress, settings))


def _ingress(name: str, seen: SeenContainer, settings: HostSettings) -> Iterator[Change]:
    limits = configuration.LIMITS
    if seen.labels.get(configuration.LABEL_CONFIG) != configuration.digest(settings):
        yield Change(name, "replace", "its configuration differs", disrupts="restart")
    if seen.state == "paused":
        yield Change(name, "start", _PAUSED)
    elif not seen.running:
        yield Change(name, "start", f"it is {seen.state}")
    if naming.EDGE not in seen.networks:
        yield Change(name, "update", _OFF)
    if seen.memory != limits.memory_mb * 2**20:
        yield Change(name, "update", f"its memory is {seen.memory >> 20} MiB, not {limits.memory_mb}")
    if (seen.user, seen.read_only) != (configuration.USER, True):
        yield Change(name, "replace", "it is less confined than it should be", disrupts="restart")


def _missing(name: str) -> Change:
    return Change(name, "create", "is not there")


def _mend(engine: Engine, changes: tuple[Change, ...]) -> None:
    for change in changes:
        if change.why == _PAUSED:
            engine.unpause(naming.INGRESS)
        elif change.why == _OFF and naming.EDGE in engine.seen(HOST).networks:
            engine.connect_network(naming.INGRESS, naming.EDGE)


def _up(stack: Runner, settings: HostSettings, progress: Progress) -> None:
    from infra import recovery
    from infra.runner import Locked

    asked = _asked(settings)
    recovery.recover(stack, asked, progress)
    was_there = stack.exists()
    stack.prepare()
    stack.folder.write_host(host_to(settings))
    try:
        stack.up(asked.program, progress, refresh=was_there, timeout=_TIMEOUT)
    except Locked as error:
        recovery.recover(stack, asked, progress, error.locks)
        stack.up(asked.program, progress, refresh=True, timeout=_TIMEOUT)


def _record(settings: HostSettings, access: Access) -> None:
    """Let the folder of a stack that stands as the settings say record them, where it was made before that was done."""
    folder = WorkFolder(access.folder, naming.host_stack(settings.reach.url), access.backend)
    if folder.path.exists() and folder.read_host() != host_to(settings):
        folder.write_host(host_to(settings))


def _asked(settings: HostSettings) -> Asked:
    from infra.hostprogram import declare_host
    from infra.recovery import Asked

    return Asked(lambda: declare_host(settings), (naming.INGRESS, configuration.FILES))


def _runner(settings: HostSettings, access: Access) -> Runner:
    from infra.complaints import Where
    from infra.runner import Runner

    where = Where(naming.host_stack(settings.reach.url), settings.reach, str(access.folder))
    return Runner(access, where, settings.parallel)


def _refuse_others(engine: Engine, stack: Runner, changes: tuple[Change, ...]) -> None:
    """Refuse to change an ingress that this fleet's stack knows nothing of: another fleet's customers are behind it."""
    if engine.container(naming.INGRESS) is None or stack.exists():
        return
    said = "; ".join(f"{change.resource}: {change.why}" for change in changes)
    raise Refused(
        f"{engine.reach.url}: the ingress of this host was set up by another fleet, and differs from what this one says"
        f" ({said})",
        "Write the same cloud.images.ingress and cloud.ingress here as there, or use the same cloud.state.backend.",
    )


@contextmanager
def _alone(engine: Engine, settings: HostSettings, doing: str, who: str) -> Iterator[Held]:
    """Hold the host's own lock, waiting for whoever holds it; raises LockHeld after PATIENCE."""
    image = engine.image_id(settings.images.ingress)
    labels = naming.labels(HOST, "lock")
    claim = Claim(naming.lock(HOST), image, labels, doing, who, subject=engine.reach.url)
    with ExitStack() as stack:
        yield _waited(lambda: stack.enter_context(hold(engine, claim)))


def _waited(take: Callable[[], Held]) -> Held:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return take()
        except LockHeld:
            if time.monotonic() > until:
                raise
        time.sleep(_PAUSE)
