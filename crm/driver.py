"""What a driver must be able to do. One driver for each kind of target; `crmhost.deploy` runs one sequence for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from crm.plan import Event, Plan, Release, Want
from crm.recipe import Recipe, Step

Progress: TypeAlias = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Status:
    """What runs on the target now. processes: (name, `up` or `down` or `absent`, detail)."""

    contract: str
    serving: str | None
    releases: tuple[str, ...]
    processes: tuple[tuple[str, str, str], ...]
    users: int | None
    holder: str | None


class Work(Protocol):
    """What may be done while the lock is held, in the order of the sequence."""

    def plan(self, want: Want) -> Plan:
        """Ask the target once more, now that nobody else can change it."""
        ...

    def stage(self, want: Want, plan: Plan) -> None:
        """Bring the release's artifact, files and empty database to the target, beside what serves."""
        ...

    def due(self, want: Want) -> Sequence[Step]:
        """Return the steps that are not finished, in order."""
        ...

    def run(self, want: Want, step: Step) -> None:
        """Run one step; raises HostError when its output is not what it should be."""
        ...

    def ready(self, want: Want, release: Release) -> None:
        """Start the candidate where no customer sees it and wait until it reaches its database; raises GateFailed."""
        ...

    def switch(self, want: Want, release: Release) -> None:
        """Let the release serve; prove it on the host, or switch back and raise GateFailed."""
        ...

    def revert(self, want: Want, failed: Release) -> str:
        """Let what served before the failed release serve again, and return a sentence that says what serves now."""
        ...

    def record(self, event: Event) -> None:
        """Write a line in the target's journal; never raises for a connection that is gone."""
        ...

    def retire(self, want: Want, release: Release) -> None:
        """End what no longer serves and remove releases past those kept for rollback."""
        ...

    def destroy(self, *, keep_data: bool) -> None:
        """Remove everything of this contract from the target."""
        ...


class Driver(Protocol):
    """One connection to one contract's target."""

    def refuses(self, recipe: Recipe) -> str | None:
        """Return why this kind of target cannot carry the recipe, or None."""
        ...

    def plan(self, want: Want) -> Plan:
        """Ask the target about every resource, change nothing, and return what differs."""
        ...

    def lock(self, doing: str) -> AbstractContextManager[Work]:
        """Hold the target's lock; raises LockHeld naming step and holder."""
        ...

    def status(self, want: Want) -> Status:
        """Return what runs now."""
        ...

    def logs(self, process: str, lines: int) -> Iterator[str]:
        """Yield the last lines of a process's log, made safe for a terminal."""
        ...

    def exec(self, want: Want, argv: Sequence[str]) -> int:
        """Run a command in the release's environment with the user's terminal streams; returns its exit code."""
        ...

    def releases(self) -> Sequence[Release]:
        """Return the releases that are kept on the target, newest first."""
        ...
