"""What differs on the engine from the rollout that was recorded, resource by resource, and what mends it. Pure.

Pulumi sees some of this only after a refresh, and some of it never: a container that is paused, off its network or on
one too many. So the engine itself is asked, once, about everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from crm.plan import Action, Change, Disrupts
from infra import expected as wanted
from infra import naming
from infra.engine.seen import Seen, SeenContainer
from infra.expected import Expected
from infra.rollout import Rollout

OWN_ROLES = frozenset({"lock", "step", "shelf", "journal"})
"""Containers of an operation: no part of a rollout."""
_MIB = 1 << 20
_VITAL = frozenset({"web", "db", "redis"})
"""Without these the CRM does not answer."""


@dataclass(frozen=True, slots=True)
class Unpause:
    """Let a container run on."""

    container: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Put a container on a network, or there under these names."""

    container: str
    network: str
    aliases: tuple[str, ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Take a container off a network."""

    container: str
    network: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a container that no rollout knows."""

    container: str


Mend: TypeAlias = Unpause | Connect | Disconnect | Remove
"""What Docker itself is told, because Pulumi does not see what is wrong."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs, in the order in which it is named; what Docker is told; whether Pulumi must look and mend."""

    changes: tuple[Change, ...] = ()
    mends: tuple[Mend, ...] = ()
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    change: Change
    mend: Mend | None = None


def drift(rollout: Rollout, seen: Seen, images: Mapping[str, str]) -> Drift:
    """Return what differs between what was recorded and what is there; `images`: reference → image id."""
    found = [
        *_network(rollout, seen),
        *_volumes(rollout, seen),
        *(one for each in wanted.containers(rollout) for one in _container(each, seen, images)),
        *_strangers(rollout, seen),
    ]
    return Drift(
        changes=tuple(one.change for one in found),
        mends=tuple(one.mend for one in found if one.mend is not None),
        refresh=any(one.mend is None for one in found),
    )


def _network(rollout: Rollout, seen: Seen) -> Iterator[_Found]:
    name = naming.network(rollout.contract)
    network = seen.networks.get(name)
    if network is None:
        yield _Found(Change(f"network:{name}", "create", "it is not there", disrupts="outage"))
    elif not network.internal:
        yield _Found(Change(f"network:{name}", "replace", "it leads out of the host", disrupts="outage"))


def _volumes(rollout: Rollout, seen: Seen) -> Iterator[_Found]:
    for name in wanted.volumes(rollout):
        if name in seen.volumes:
            continue
        if name in wanted.data_volumes(rollout.contract):
            why = "it is not there, and the customer's data went with it: an empty one is made; then restore a backup"
            yield _Found(Change(f"volume:{name}", "create", why, disrupts="data"))
        else:
            yield _Found(Change(f"volume:{name}", "create", "it is not there"))


def _container(want: Expected, seen: Seen, images: Mapping[str, str]) -> Iterator[_Found]:
    now = seen.containers.get(want.name)
    if now is None:
        yield _missing(want, seen)
        return
    wrong = tuple(_wrong(want, now, images))
    if wrong:
        yield _found(want, "replace", "; ".join(wrong), disrupts=_disrupts(want))
        return
    yield from _state(want, now)
    yield from _limits(want, now)
    yield from _networks(want, now)


def _missing(want: Expected, seen: Seen) -> _Found:
    """Say that it is gone, or how it is called now: its labels tell."""
    for name, other in seen.containers.items():
        same = (other.labels.get(naming.LABEL_ROLE), other.labels.get(naming.LABEL_RELEASE))
        if same == (want.role, want.release) and not want.once:
            return _found(want, "replace", f"it was renamed to {name}", disrupts=_disrupts(want))
    return _found(want, "create", "it is not there")


def _wrong(want: Expected, now: SeenContainer, images: Mapping[str, str]) -> Iterator[str]:
    """Yield what can only be mended by making the container anew."""
    image = images.get(want.image, want.image)
    if image.startswith("sha256:") and now.image != image:
        yield f"its image is {now.image[7:19]}, not {image[7:19]}"
    if now.user != want.user:
        yield f"it runs as {now.user or 'root'}, not as {want.user}"
    if not want.once and not now.read_only:
        yield "its root file system can be written to"
    if "ALL" not in now.dropped:
        yield "it has capabilities that it must not have"
    if "no-new-privileges:true" not in now.security and "no-new-privileges" not in now.security:
        yield "it can gain privileges"
    if now.nano_cpus != _nano_cpus(want):
        yield f"it may use {now.nano_cpus / 1e9:g} CPUs, not {want.limits.cpus}"
    if now.labels.get(naming.LABEL_REKEYED, "0") != str(want.rekeyed):
        yield "it was started with secrets that have been changed since"
    if want.once and now.state == "exited" and now.code != 0:
        yield f"it ended with {now.code}"


def _state(want: Expected, now: SeenContainer) -> Iterator[_Found]:
    if want.once:
        return
    if now.state == "paused":
        yield _found(want, "start", "it is paused", mend=Unpause(now.name))
    elif now.state == "restarting":
        yield _found(want, "restart", f"it ends again and again, the last time with {now.code}")
    elif now.state != "running":
        yield _found(want, "start", f"it is {now.state}, with exit code {now.code}")


def _limits(want: Expected, now: SeenContainer) -> Iterator[_Found]:
    memory = want.limits.memory_mb * _MIB
    if (now.memory, now.memory_swap) != (memory, memory):
        text = f"it may use {_mib(now.memory)} of memory and {_mib(now.memory_swap)} with swap, not {_mib(memory)}"
        yield _found(want, "update", text)
    policy = "no" if want.once else "unless-stopped"
    if now.restart != policy:
        yield _found(want, "update", f"its restart policy is {now.restart}, not {policy}")


def _networks(want: Expected, now: SeenContainer) -> Iterator[_Found]:
    for network, aliases in want.networks.items():
        if network not in now.networks:
            joined = Connect(now.name, network, tuple(sorted(aliases)))
            yield _found(want, "update", f"it is off the network {network}", mend=joined)
        elif not aliases <= now.networks[network]:
            lost = ", ".join(sorted(aliases - now.networks[network]))
            joined = Connect(now.name, network, tuple(sorted(aliases)), again=True)
            yield _found(want, "update", f"on {network} it is not called {lost}", mend=joined)
    for network in sorted(now.networks.keys() - want.networks.keys() - {"none"}):
        yield _found(want, "update", f"it is on the network {network}", mend=Disconnect(now.name, network))


def _strangers(rollout: Rollout, seen: Seen) -> Iterator[_Found]:
    """Name the containers that no rollout knows; one that was renamed is mended under its own name."""
    known = {(each.role, each.release): each.name for each in wanted.containers(rollout) if not each.once}
    names = {each.name for each in wanted.containers(rollout)}
    for name, container in sorted(seen.containers.items()):
        role, release = container.labels.get(naming.LABEL_ROLE, ""), container.labels.get(naming.LABEL_RELEASE)
        if name in names or role in OWN_ROLES:
            continue
        if known.get((role, release), name) not in seen.containers and (role, release) in known:
            continue
        change = Change(f"container:{name}", "delete", "no release that is recorded has such a container")
        yield _Found(change, Remove(name))


def _found(want: Expected, action: Action, why: str, *, disrupts: Disrupts = "no", mend: Mend | None = None) -> _Found:
    return _Found(Change(f"container:{want.name}", action, why, disrupts=disrupts), mend)


def _disrupts(want: Expected) -> Disrupts:
    return "outage" if want.role in _VITAL else "restart"


def _nano_cpus(want: Expected) -> int:
    return round(float(want.limits.cpus) * 1_000_000_000)


def _mib(size: int) -> str:
    return f"{size // _MIB} MiB" if size > 0 else "any amount"
