"""The probing service: contracts become rounds, rounds probes, probes results, results spans, spans rows.

One thread probes, one writes. The probing thread owns the schedule, the client and the observers; others read what is
`seen`, which is replaced and never changed, so that no reader holds up a probe. A contract has at most one probe under
way: a round that comes due meanwhile is skipped and counted, as is one that comes too late or beyond `most_at_once`.
What is not probed is unknown once knowledge lapses, never up and never down.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from contract.model import Micros
from monitor import span
from monitor.clock import Clock, Reading, step_between
from monitor.post import Post, Seen, Watched, make_post
from monitor.probe.client import Client
from monitor.probe.control import Controls
from monitor.probe.result import Outcome
from monitor.probe.schedule import Due, Schedule
from monitor.store.database import writing
from monitor.store.recorder import Recorder
from monitor.store.spans import recover
from monitor.store.writer import Log, Writer

BEAT: Micros = 5_000_000
"""How often heartbeats are written: the most that a kill -9 costs beyond one probe's interval."""

STALL: Micros = 1_000_000
"""A loop that wakes up so much too late was not running: the machine was overloaded, or the process was stopped."""


@dataclass(frozen=True, slots=True)
class Options:
    """How this machine watches. `ca_file` and `instead`: see `monitor.probe.handle.Ways`."""

    vantage: str = "local"
    ca_file: Path | None = None
    instead: tuple[str, ...] = ()
    beat: Micros = BEAT
    most_at_once: int | None = None


class Watch:
    """Probes every contract from one vantage, from `start` to `stop`."""

    def __init__(self, watched: Iterable[Watched], engine: Engine, clock: Clock, log: Log, options: Options) -> None:
        self._engine = engine
        self._clock = clock
        self._log = log
        self._options = options
        self._most = options.most_at_once or _most_at_once()
        self._posts = {one.contract: make_post(one, options.vantage) for one in watched}
        self._client = Client(clock, options.ca_file, options.instead)
        self._controls = Controls()
        self._recorder = Recorder(options.vantage)
        self._writer = Writer(engine, log)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crmhost-probes")
        self._read = clock.read()
        self._void_before: Micros = 0
        self.steps = 0
        self.stalls = 0

    @property
    def vantage(self) -> str:
        """Where it watches from."""
        return self._options.vantage

    @property
    def write_failures(self) -> int:
        """How many writes have failed, and were or will be tried again."""
        return self._writer.failures

    @property
    def alive(self) -> bool:
        """Whether it probes; False before `start`, after `stop`, and where a bug has ended it."""
        return self._thread.is_alive()

    def start(self) -> None:
        """End in the store what the last run left running, then begin to probe. Raises where it cannot be written."""
        with writing(self._engine) as connection:
            known = recover(connection, self.vantage)
        for contract, until in known.items():
            if contract in self._posts:
                self._posts[contract].observer = span.Observer(known_until=until)
        self._writer.start()
        self._thread.start()

    def stop(self) -> None:
        """Give up what is under way, write what is known until now, and return when that is done."""
        if self._thread.ident is None:
            self._client.close()
            return
        self._stopping.set()
        self._client.wake()
        self._thread.join()
        self._writer.close()

    def seen(self) -> tuple[Seen, ...]:
        """Tell what has been seen of every contract, for screens and metrics."""
        return tuple(post.seen for post in self._posts.values())

    def _run(self) -> None:
        with self._client:
            self._read = self._clock.read()
            paces = [(contract, post.rules.interval) for contract, post in self._posts.items()]
            schedule = Schedule(paces, self._read.steady)
            beat = self._read.steady + self._options.beat
            while not self._stopping.is_set():
                now = self._tick(0)
                for due in schedule.pop_due(now.steady):
                    self._begin(due)
                next_due = schedule.next_due()
                until = beat if next_due is None else min(beat, next_due)
                outcomes = self._client.wait(max(0, until - self._clock.steady()))
                self._tick(until)
                for outcome in outcomes:
                    self._take(outcome)
                if now.steady >= beat:
                    beat = now.steady + self._options.beat
                    self._park_lapsed(now.wall)
                    self._writer.put(self._recorder.beat())
                elif self._recorder.waiting:
                    self._writer.put(self._recorder.drain())
            self._finish()

    def _tick(self, awaited: Micros) -> Reading:
        """Read the clock, until `awaited` at the latest by its steady hand, and notice what is not as it should be.

        Where somebody set it since the last time, nothing known before joins what comes after. Where the whole process
        stood still, the probes that were under way say nothing: their time-outs are its own.
        """
        now = self._clock.read()
        step = step_between(self._read, now)
        late = now.steady - max(awaited, self._read.steady)
        self._read = now
        if late > STALL:
            self.stalls += 1
            self._void_before = now.steady
            self._log.warning("the monitor stood still", seconds=late / 1_000_000)
        if step:
            self.steps += 1
            self._void_before = now.steady
            self._log.warning("the clock was set; what is known begins anew", by_seconds=step / 1_000_000)
            for contract, post in self._posts.items():
                self._record(contract, post, *span.finish(post.rules, post.observer, post.observer.last_end))
        return now

    def _begin(self, due: Due) -> None:
        post = self._posts[due.name]
        full = len(self._client) >= self._most
        skipped = due.skipped + (1 if post.busy or full else 0)
        if skipped:
            post.skipped += skipped
            post.show()
        if not post.busy and not full:
            post.busy, post.began = True, self._read.steady
            self._client.start(post.request)

    def _take(self, outcome: Outcome) -> None:
        settled = self._controls.take(outcome)
        if settled is not None:
            for held, works in settled:
                self._settle(held, control_ok=works)
            return
        post = self._posts[outcome.name]
        if outcome.ok or outcome.faulty or not post.control:
            self._settle(outcome, control_ok=None)
            return
        alive, requests = self._controls.judge(post.control, outcome, post.began, self._read.steady)
        for request in requests:
            self._client.start(request)
        if alive is not None:
            self._settle(outcome, control_ok=alive)

    def _settle(self, outcome: Outcome, *, control_ok: bool | None) -> None:
        """Let a probe count, where it says anything: not when the fault, the dead network or a set clock is ours."""
        post = self._posts[outcome.name]
        post.busy = False
        void = outcome.faulty or control_ok is False or post.began < self._void_before
        post.count(outcome, void=void)
        if void:
            self._recorder.take(outcome.name, (), None)
            post.show()
            return
        result = span.ProbeResult(outcome.at_start, outcome.at_end, outcome.ok, outcome.reason or "", control_ok)
        self._record(outcome.name, post, *span.observe(post.rules, post.observer, result))

    def _record(self, contract: str, post: Post, observer: span.Observer, pieces: tuple[span.Span, ...]) -> None:
        post.learn(observer, pieces)
        running = observer.state is not None and observer.pending is None
        self._recorder.take(contract, pieces, post.rules.interval if running else None)

    def _park_lapsed(self, now: Micros) -> None:
        """Take contracts that are probed no longer out of the heartbeat, or it would stand still for all."""
        for contract, post in self._posts.items():
            if post.observer.state is not None and span.state_at(post.rules, post.observer, now) is None:
                self._recorder.take(contract, (), None)

    def _finish(self) -> None:
        """End every span now, or where a probe began whose answer nobody waits for any longer."""
        now = self._clock.read()
        for contract, post in self._posts.items():
            until = now.after(post.began) if post.busy else now.wall
            self._record(contract, post, *span.finish(post.rules, post.observer, until))
        self._writer.put(self._recorder.beat())


def _most_at_once() -> int:
    """Half of the descriptors that this process may have: one for the probe's connection, some for its resolver."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, soft // 2) if soft != resource.RLIM_INFINITY else 10_000
