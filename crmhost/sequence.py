"""What deploys, upgrades and rollbacks are made of: the lock, phases that are told, steps, and the way to serving."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from crm.backup import Backups, Lost
from crm.driver import Driver, Progress, Work
from crm.errors import GateFailed, Refused
from crm.plan import Event, Release, Want

if TYPE_CHECKING:
    from crmhost.fresh import Fresh

Public: TypeAlias = Callable[[Want], None]
"""Asks the customer's URL from here; raises GateFailed when the answer is not the recipe's."""
Sure: TypeAlias = Callable[[Lost], bool]
"""Asks whether writes may be lost; False: nothing is restored."""


def nobody(_lost: Lost) -> bool:
    """Let nothing be lost."""
    return False


def micros() -> int:
    """Return the instant in microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Means:
    """What the sequence uses besides the target.

    backups: opens where the contract's backups are kept; None: no change that could lose data is made. clock:
    seconds, for what took how long; now: microseconds UTC, for what is remembered. fresh: the secrets that a deploy
    stores before it uses them, where some were made up.
    """

    progress: Progress
    public: Public
    backups: Callable[[], Backups] | None = None
    sure: Sure = nobody
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], int] = micros
    fresh: Fresh | None = None

    @contextmanager
    def phase(self, phase: str, subject: str, detail: str = "") -> Iterator[None]:
        """Tell that a phase begins, and how it ended after how long."""
        begun = self.clock()
        self.progress(Event(phase, subject, "begin", detail))
        try:
            yield
        except BaseException:
            self.progress(Event(phase, subject, "failed", detail, self.clock() - begun))
            raise
        self.progress(Event(phase, subject, "done", detail, self.clock() - begun))

    def note(self, phase: str, subject: str, detail: str) -> None:
        """Tell what people should know meanwhile."""
        self.progress(Event(phase, subject, "note", detail))


@contextmanager
def locked(driver: Driver, doing: str, means: Means) -> Iterator[Work]:
    """Hold the target's lock, and write in its journal how what was done under it ended."""
    begun = means.clock()
    means.progress(Event("lock", doing, "begin"))
    with driver.lock(doing) as work:
        means.progress(Event("lock", doing, "done", seconds=means.clock() - begun))
        try:
            yield work
        except BaseException as failure:
            work.record(Event("journal", doing, "failed", type(failure).__name__, means.clock() - begun))
            raise
        work.record(Event("journal", doing, "done", seconds=means.clock() - begun))
    means.progress(Event("journal", doing, "done", seconds=means.clock() - begun))


def run_steps(work: Work, want: Want, means: Means, *, upgrades: bool) -> None:
    """Run the steps that the customer's database does not say are finished.

    upgrades: whether its schema may change, because a backup is kept. Raises Refused for a step that would change it
    without: a database server that was down when the plan was made could not say which schema there is.
    """
    due = work.due(want)
    if not upgrades and any(step.phase == "upgrade" for step in due):
        raise Refused(
            f"{want.contract}: its database has another schema than {want.version} needs, and could not say so when the"
            " plan was made",
            "Nothing in it was changed. Run the same command again: it makes a backup first.",
        )
    for step in due:
        with means.phase("steps", step.name, step.summary):
            work.run(want, step)


def serve(work: Work, want: Want, release: Release, means: Means) -> None:
    """Let a release that is staged serve, once it is ready; back to the one before when the public URL says no."""
    gate(work, want, release, means)
    with means.phase("switch", release.id):
        work.switch(want, release)
    try:
        ask_public(want, release, means)
    except GateFailed as failure:
        with means.phase("switch", "back"):
            still = work.revert(want, release)
        raise GateFailed(f"{release.id} served on the host, but not at its public URL: {failure.what}", still) from None
    retire(work, want, release, means)


def gate(work: Work, want: Want, release: Release, means: Means) -> None:
    """Wait until the candidate reaches its database; raises GateFailed."""
    with means.phase("gate", release.id):
        work.ready(want, release)


def ask_public(want: Want, release: Release, means: Means) -> None:
    """Ask the customer's own URL; raises GateFailed."""
    with means.phase("gate", want.slots.get("url", release.id)):
        means.public(want)


def retire(work: Work, want: Want, release: Release, means: Means) -> None:
    """End what no longer serves."""
    with means.phase("retire", release.id):
        work.retire(want, release)
