"""Which contracts a command means, and how many of them a host takes at once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from crm.errors import Refused

if TYPE_CHECKING:
    from contract.model import Micros, Terms
    from crmhost.order import Access
    from crmhost.want import Order

LOG_INS = 8
"""How many connections are made to one SSH server at once: sshd drops new ones from the tenth on (MaxStartups)."""

RUNS = 4
"""How many runs of Pulumi are at work on one Docker host at once; each brings processes of its own."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A contract that is meant; `named`: by its own name, so that whatever forbids it is an error."""

    contract: str
    named: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A contract to work on. place: the host that it is on; room: how many may be at work there at once.

    via: the jump hosts that its contract names; each takes `LOG_INS` at once.
    """

    contract: str
    place: str
    room: int
    via: tuple[str, ...] = ()

    @property
    def rooms(self) -> tuple[tuple[str, int], ...]:
        """Return every host that it is a guest of, with the room there."""
        return ((self.place, self.room), *((hop, LOG_INS) for hop in self.via))


def is_pattern(name: str) -> bool:
    """Tell whether it is a glob: no contract's name has any of these characters."""
    return any(character in name for character in "*?[")


def many(names: Sequence[str], *, everything: bool) -> bool:
    """Tell whether a command is about several contracts; one that is named by itself goes its own way."""
    return everything or len(names) != 1 or is_pattern(names[0])


def choose(names: Sequence[str], known: Sequence[str], *, everything: bool) -> tuple[Chosen, ...]:
    """Return the contracts in the order in which they were named, those of a glob by the alphabet, each once.

    known: the fleet's contracts, sorted. Raises Refused for a glob without a match, and for a fleet without a contract:
    a typing mistake must not look like a fleet that has nothing to do.
    """
    if everything and names:
        raise Refused("--all means every contract, so no name stands beside it", "Write --all, or names and globs.")
    if not everything and not names:
        raise Refused("no contract is named", "Write names, globs such as 'a*', or --all.")
    found: dict[str, bool] = {}
    for name in ("*",) if everything else names:
        if not is_pattern(name):
            found[name] = True
            continue
        matching = [one for one in known if fnmatchcase(one, name)]
        if not matching:
            raise _nothing(name, known)
        for one in matching:
            found.setdefault(one, False)
    return tuple(Chosen(name, named) for name, named in found.items())


def left_out(contract: Terms, now: Micros) -> str | None:
    """Return why a contract that a glob or --all found is not to be deployed at all, or None.

    Whatever else forbids a deploy is an error: nobody may believe that it was done.
    """
    from contract.moment import instant_text
    from contract.term import signed_at

    if contract.target.kind == "saas":
        return "somebody else's service, which is measured only"
    if contract.term.signed is None:
        return "not signed"
    signed = signed_at(contract.term, contract.sla.period if contract.sla is not None else None)
    return f"not signed before {instant_text(signed)}" if signed is not None and signed > now else None


def job_of(order: Order, access: Access, *, changes: bool, refresh: bool) -> Job:
    """Return the job of an order. changes: it deploys; refresh: Pulumi looks at everything.

    On a Docker host RUNS runs of Pulumi are at work at once, or fewer where `cloud.parallel` allows less: most of a
    deploy waits for steps and for the CRM. Plans without Pulumi are as many as that number. Servers with a package
    manager take one deploy at a time.
    Accounts of a web host do not disturb one another.
    """
    if order.kind == "cloud":
        parallel = int((access.cloud or {}).get("parallel", LOG_INS))
        return Job(order.contract, order.docker, min(RUNS, parallel) if changes or refresh else parallel)
    via = tuple(hop.rpartition("@")[2] for hop in order.jump)
    port = "" if order.port in {0, 22} else f":{order.port}"
    behind = f" behind {via[-1]}" if via else ""  # networks of two customers may have the same addresses
    room = 1 if changes and order.kind == "lan" else LOG_INS
    return Job(order.contract, f"{order.host}{port}{behind}", room, via)


def _nothing(pattern: str, known: Sequence[str]) -> Refused:
    if not known:
        return Refused("the fleet has no contract", "Make one: crmhost init NAME")
    near = difflib.get_close_matches(pattern.strip("*?"), known, 1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return Refused(f"no contract matches {pattern!r}; nothing was done", f"{meant}The fleet has {len(known)} of them.")
