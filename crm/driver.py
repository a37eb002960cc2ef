"""What a driver must be able to do. One driver for each kind of target; `crmhost.deploy` runs one sequence for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

from crm.backup import Contents
from crm.plan import Crossing, Event, Plan, Release, Want
from crm.recipe import Archive, Recipe, Step

Progress: TypeAlias = Callable[[Event], None]
Archives: TypeAlias = Callable[[Archive], Path]
"""Fetches an archive to this machine, or finds it there, and returns a .tar.gz of its tree.

It is the same for the same archive: `strip` is done, it holds folders and plain files alone (0755, or 0644), and no
path leaves it. Raises CrmhostError with a remedy. It may take minutes: a plan does not call it.
"""


@dataclass(frozen=True, slots=True)
class Status:
    """What runs on the target now. processes: (name, `up` or `down` or `absent`, detail)."""

    contract: str
    serving: str | None
    releases: tuple[str, ...]
    processes: tuple[tuple[str, str, str], ...]
    users: int | None
    holder: str | None


class Mover(Protocol):
    """How a driver moves a customer's data, under the lock: to another schema, into a backup, and back from one."""

    def mark(self, crossing: Crossing | None) -> None:
        """Let the target remember it from now on, whatever happens next."""
        ...

    def close(self, want: Want) -> None:
        """Show customers the maintenance page (503, Retry-After) instead of the CRM."""
        ...

    def open(self, want: Want) -> None:
        """Let customers in again."""
        ...

    def fetch(self, want: Want) -> None:
        """Bring the artifact of what is wanted to the target, and touch nothing else."""
        ...

    def halt(self, want: Want, kept: Release | None = None) -> None:
        """End every process of every release and leave one release ready for its steps: what is wanted, or a kept one.

        The database goes on, and what served is kept as data.
        """
        ...

    def owner(self) -> Release | None:
        """Return the release whose data is there; None: there is none that a backup could hold."""
        ...

    def dump(self, want: Want, sink: BinaryIO) -> Contents:
        """Write all of the customer's data to the stream."""
        ...

    def load(self, want: Want, source: BinaryIO) -> Contents:
        """Replace the customer's data by what the stream holds; every process has been ended before."""
        ...


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

    def bring(self, want: Want, release: Release) -> None:
        """Bring back what a kept release lacks, beside what serves, so that its steps and its gate can run."""
        ...

    def mover(self) -> Mover | None:
        """Return what moves the customer's data; None: this driver cannot, so no schema is changed with it."""
        ...

    def destroy(self, *, keep_data: bool) -> None:
        """Remove everything of this contract from the target, and prove that nothing is left."""
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

    def made_with(self, want: Want, secrets: frozenset[str]) -> frozenset[str]:
        """Return which of these secrets, which the fleet lacks, were used to make what is there; changes nothing."""
        ...

    def serving(self) -> str | None:
        """Return the id of the release that serves."""
        ...

    def crossing(self) -> Crossing | None:
        """Return what the target remembers of the last upgrade of its database's schema."""
        ...

    def inside(self, release: Release) -> AbstractContextManager[tuple[str, int]]:
        """Give a loopback address here at which a staged release answers while held; no customer is sent there."""
        ...

    def releases(self) -> Sequence[Release]:
        """Return the releases that are kept on the target, newest first."""
        ...
