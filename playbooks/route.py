"""The way to a host: which hosts are met on it, as whom, with which keys. Pure; `playbooks.connect` goes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from crm.errors import HostError
from playbooks.known_hosts import name_of
from playbooks.terminal import safe_line

_MOST = 8  # jump hosts; more is a mistake, and each one costs a handshake


@dataclass(frozen=True, slots=True)
class Address:
    """Who logs in where."""

    user: str
    host: str
    port: int = 22

    def __str__(self) -> str:
        """Return `user@host`, with the port where it is not 22."""
        return f"{self.user}@{self.host}" + ("" if self.port == 22 else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Said:
    """What an SSH configuration says of one host; where it says nothing, nothing.

    only: no other keys than `identities` are offered. pinned: another name for it among the pinned host keys. refused:
    what is said of it and is not honoured, with its place, where going on without it would reach something else;
    command: the same of a ProxyCommand, which a contract's jump hosts come before.
    """

    host: str
    user: str = ""
    port: int | None = None
    identities: tuple[Path, ...] = ()
    only: bool = False
    jump: tuple[str, ...] = ()
    pinned: str = ""
    refused: str = ""
    command: str = ""


Says: TypeAlias = Callable[[str], Said]
"""Returns what is said of a host by the name that it was called."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a contract says of how its host is reached. jump: `[user@]host[:port]` each; port: None for none."""

    user: str
    host: str
    port: int | None = None
    jump: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """One host on the way: log in there, and go on from there.

    pinned: its name among the pinned host keys. key: the fleet's private key, which must be there. identities: those
    that the user's configuration names, offered where they are there. others: the agent's keys may be offered as well.
    title: what errors call it. passed: whether it is only a jump host.
    """

    address: Address
    pinned: str
    key: Path | None = None
    identities: tuple[Path, ...] = ()
    others: bool = True
    title: str = ""
    passed: bool = False

    @classmethod
    def only(cls, address: Address, key: Path | None) -> Stop:
        """Return a host that is reached without any other, by the fleet's own words alone."""
        return cls(address, name_of(address.host, address.port), key, others=key is None, title=str(address))


def nothing_said(host: str) -> Said:
    """Return what an empty SSH configuration says."""
    return Said(host)


def route(place: Place, says: Says, key: Path | None, me: str) -> tuple[Stop, ...]:
    """Return the hosts that are met on the way to a contract's host, that one last.

    says: the user's SSH configuration. key: the fleet's key. me: who logs in at a jump host that nobody named a user
    for. The contract's jump hosts come before those that the configuration says (`ProxyJump`); how the first of them
    is reached, the configuration may say again. Raises HostError for jump hosts that lead in a circle, and for what
    the configuration says and is not honoured.
    """
    said = says(place.host)
    way = list(place.jump or said.jump)
    _refuse(said, place.host, jumped=bool(place.jump))
    while way and (more := says(_parts(way[0])[1]).jump):
        way = [*more, *way]
        if len(way) > _MOST:
            raise HostError(
                f"{place.user}@{place.host}: more than {_MOST} jump hosts: {', '.join(map(safe_line, way[:3]))}, …",
                "Look for a ProxyJump in your SSH configuration that leads in a circle.",
            )
    target = Address(place.user, said.host, place.port or said.port or 22)
    stops = [_jump(hop, says, key, me) for hop in way]
    stops.append(_stop(target, said, key))
    return _named(stops)


def _jump(hop: str, says: Says, key: Path | None, me: str) -> Stop:
    user, host, port = _parts(hop)
    said = says(host)
    _refuse(said, host, jumped=False)
    return _stop(Address(user or said.user or me, said.host, port or said.port or 22), said, key)


def _refuse(said: Said, host: str, *, jumped: bool) -> None:
    reason = said.refused or ("" if jumped else said.command)
    if reason:
        raise HostError(
            f"{host}: {reason}, which crmhost does not honour",
            "Write jump hosts instead (ProxyJump, or target.jump in the contract); or name another configuration in"
            " crmhost.yaml: ssh: {config: FILE}, or none.",
        )


def _stop(address: Address, said: Said, key: Path | None) -> Stop:
    pinned = said.pinned or name_of(address.host, address.port)
    return Stop(address, pinned, key, said.identities, others=key is None and not said.only)


def _named(stops: Sequence[Stop]) -> tuple[Stop, ...]:
    """Return the stops with the names that errors and the pinned keys have for them.

    A network behind a jump host may have the addresses of another customer's, so a key is pinned for the whole way.
    """
    target, count = str(stops[-1].address), len(stops) - 1
    made: list[Stop] = []
    for number, stop in enumerate(stops, 1):
        passed = number <= count
        title = f"{stop.address} (jump host {number} of {count} to {target})" if passed else target
        behind = "".join(f"%{earlier.pinned.partition('%')[0]}" for earlier in reversed(made))
        own = stop.pinned != name_of(stop.address.host, stop.address.port)
        pinned = stop.pinned if own else stop.pinned + behind
        made.append(Stop(stop.address, pinned, stop.key, stop.identities, stop.others, title, passed))
    return tuple(made)


def _parts(hop: str) -> tuple[str, str, int | None]:
    """Return user, host and port of `[user@]host[:port]`, also as an ssh:// address, as ProxyJump may have it."""
    user, _, place = hop.removeprefix("ssh://").rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = place, ""
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise HostError(f"{safe_line(hop)}: is no jump host: its port is not one", "Write user@host:port.")
    if not host or host.startswith("-"):
        raise HostError(f"{safe_line(hop)}: is no jump host", "Write user@host or user@host:port.")
    return user, host.strip("[]"), int(port) if port else None
