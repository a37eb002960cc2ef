"""The outer layer: begins a process for each contract, listens to all of them, and ends them on Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Protocol

from crm.plan import Event, Plan
from crmhost.fleetwide.child import SIGNALS, Work, main, starts_by
from crmhost.fleetwide.choose import Job
from crmhost.fleetwide.ending import Ending
from crmhost.fleetwide.schedule import Rules, State, barred, next_up

_TICK = 0.2  # seconds within which Ctrl-C is seen and the clocks in the table go on


class Watcher(Protocol):
    """Is told what happens, as it happens."""

    def begins(self, job: Job) -> None:
        """Work on a contract begins."""
        ...

    def says(self, contract: str, message: Event | Plan) -> None:
        """One line of progress, or a plan."""
        ...

    def ends(self, ending: Ending) -> None:
        """Work on a contract ended, or is never begun."""
        ...

    def stopping(self, contracts: Sequence[str]) -> None:
        """Ctrl-C came while these were at work."""
        ...

    def tick(self) -> None:
        """Time went by."""
        ...


@dataclass(frozen=True, slots=True)
class Ran:
    """How all ended, by the contracts' order; interrupted: Ctrl-C came, or SIGTERM."""

    endings: tuple[Ending, ...]
    interrupted: bool


def run_all(jobs: Sequence[Job], work: Work, rules: Rules, watcher: Watcher, before: Sequence[Ending] = ()) -> Ran:
    """Do the work for every contract, as many at once as the rules and their hosts allow.

    before: what had failed already when this began, as `--fail-fast` counts it. A first Ctrl-C or SIGTERM lets nothing
    more begin and interrupts what runs, which tidies up as it would alone; a second one kills.
    """
    pool = _Pool(work, rules, watcher, list(jobs), ended=list(before))
    with _counting() as stops:
        try:
            while pool.begin(stops) or pool.running:
                pool.obey(stops)
                pool.listen()
        except BaseException:  # whoever watched is gone: `crmhost … | head`
            pool.abandon()
            raise
    reason = "stopped before" if stops.count else barred(pool.ended, rules) or "stopped before"
    for job in pool.waiting:
        pool.ended.append(Ending(job.contract, "not begun", what=reason))
        watcher.ends(pool.ended[-1])
    found = {ending.contract: ending for ending in pool.ended}
    return Ran(tuple(found[job.contract] for job in jobs), bool(stops.count))


@dataclass
class _Stops:
    """How often we were told to stop."""

    count: int = 0

    def another(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- a signal handler's signature
        self.count += 1


@contextmanager
def _counting() -> Iterator[_Stops]:
    """Count the signals to stop instead of being torn out of the middle of something by them."""
    stops = _Stops()
    old = [(number, signal.signal(number, stops.another)) for number in SIGNALS]
    try:
        yield stops
    finally:
        for number, handler in old:
            signal.signal(number, handler)


@dataclass
class _Running:
    job: Job
    process: BaseProcess
    since: float
    ending: Ending | None = None


@dataclass
class _Pool:
    work: Work
    rules: Rules
    watcher: Watcher
    waiting: list[Job]
    running: dict[Connection, _Running] = field(default_factory=dict)
    ended: list[Ending] = field(default_factory=list)
    obeyed: int = 0

    def begin(self, stops: _Stops) -> bool:
        """Begin what may begin now, and tell whether anything did."""
        at_work = tuple(one.job for one in self.running.values())
        jobs = () if stops.count else next_up(State(tuple(self.waiting), at_work, tuple(self.ended)), self.rules)
        for job in jobs:
            self.waiting.remove(job)
            self._start(job)
        return bool(jobs)

    def obey(self, stops: _Stops) -> None:
        """Interrupt what runs once; kill it when told again."""
        if stops.count == self.obeyed:
            return
        first, self.obeyed = self.obeyed == 0, stops.count
        self.watcher.stopping([one.job.contract for one in self.running.values()])
        for one in self.running.values():
            with suppress(ProcessLookupError):
                os.kill(one.process.pid or 0, signal.SIGINT if first else signal.SIGKILL)

    def listen(self) -> None:
        """Hear what was said within a tick."""
        self.watcher.tick()
        for ready in connections.wait(list(self.running), _TICK):
            assert isinstance(ready, Connection)  # noqa: S101 -- what we waited for
            try:
                message = ready.recv()
            except (EOFError, OSError):
                self._end(ready)
                continue
            if isinstance(message, Ending):
                self.running[ready].ending = message
            else:
                self.watcher.says(self.running[ready].job.contract, message)

    def abandon(self) -> None:
        """Interrupt what runs, listen to none of it, and wait until it is gone."""
        for pipe, one in self.running.items():
            pipe.close()
            with suppress(ProcessLookupError):
                os.kill(one.process.pid or 0, signal.SIGINT)
        for one in self.running.values():
            one.process.join()

    def _start(self, job: Job) -> None:
        context = multiprocessing.get_context(starts_by())
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=main, args=(self.work, job.contract, theirs), name=job.contract)  # type: ignore[attr-defined] # every context has it
        old = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        theirs.close()
        self.running[ours] = _Running(job, process, time.monotonic())
        self.watcher.begins(job)

    def _end(self, pipe: Connection) -> None:
        one = self.running.pop(pipe)
        pipe.close()
        one.process.join()
        ending = one.ending or _silent(one, killed=self.obeyed > 1)
        self.ended.append(replace(ending, seconds=time.monotonic() - one.since))
        self.watcher.ends(self.ended[-1])


def _silent(one: _Running, *, killed: bool) -> Ending:
    """Return the ending of a process that did not say how it ended."""
    if killed:
        return Ending(one.job.contract, "stopped", what="killed; the same command again finishes it")
    code = one.process.exitcode or 0
    how = f"by signal {-code}" if code < 0 else f"with code {code}"
    return Ending(
        one.job.contract,
        "failed",
        what=f"its process ended {how} before it said how the work ended",
        remedy="The same command again finishes what was begun; is there enough memory for so many at once?",
    )
