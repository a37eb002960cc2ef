"""Which contract begins next: a pure function of what waits, what runs and what has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crmhost.fleetwide.choose import Job
from crmhost.fleetwide.ending import Ending

DEFAULT_PARALLEL = 8
MOST = 64


@dataclass(frozen=True, slots=True)
class Rules:
    """How a fleet is worked on. parallel: how many contracts at once, at most, wherever they are.

    fail_fast: after a failure nothing more begins. canary: so many must have been deployed, and none failed, before the
    others begin; 0: no canary. A contract with nothing to do proves nothing, so the next one takes its place.
    """

    parallel: int = DEFAULT_PARALLEL
    fail_fast: bool = False
    canary: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Where the work stands; `waiting` in the order in which it is to begin."""

    waiting: tuple[Job, ...]
    running: tuple[Job, ...] = ()
    ended: tuple[Ending, ...] = ()


def next_up(state: State, rules: Rules) -> tuple[Job, ...]:
    """Return the jobs to begin now; none while nothing is running means that what waits is never begun."""
    if barred(state.ended, rules) is not None:
        return ()
    free = rules.parallel - len(state.running)
    proven = _deployed(state.ended)
    if proven < rules.canary:
        free = min(free, rules.canary - proven - len(state.running))
    taken = Counter(place for job in state.running for place, _ in job.rooms)
    found: list[Job] = []
    for job in state.waiting:
        if len(found) >= free:
            break
        if all(taken[place] < room for place, room in job.rooms):
            taken.update(place for place, _ in job.rooms)
            found.append(job)
    return tuple(found)


def barred(ended: Sequence[Ending], rules: Rules) -> str | None:
    """Return why nothing more begins, or None."""
    first = next((ending.contract for ending in ended if ending.bad), None)
    if first is None:
        return None
    if _deployed(ended) < rules.canary:
        return f"the canary {first} was not deployed"
    return f"{first} failed, and --fail-fast was given" if rules.fail_fast else None


def _deployed(ended: Sequence[Ending]) -> int:
    return sum(ending.did == "deployed" for ending in ended)
