from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from contract.model import Monitor
from monitor.clock import Clock, Reading, SystemClock
from monitor.post import Watched
from monitor.span import Span
from monitor.store.database import migrate, open_database, reading, writing
from monitor.store.spans import read
from monitor.watch import Options, Watch
from tests.support.listeners import Exchange, Listener
from tests.support.until import until

pytestmark = pytest.mark.slow

MS = 1000
INTERVAL = 100 * MS
HERE = Path(__file__).parent


@dataclass
class Notes:
    """A log that a test can read."""

    events: list[str] = field(default_factory=list)

    def warning(self, event: str, **values: object) -> None:
        self.events.append(f"{event} {values}")


@dataclass
class SetClock:
    """The machine's clock, which somebody can set."""

    ahead: int = 0
    stopped: int = 0

    def read(self) -> Reading:
        now = SystemClock().read()
        return Reading(now.wall + self.ahead, now.steady + self.stopped)

    def steady(self) -> int:
        return SystemClock().steady() + self.stopped


def now() -> int:
    return time.time_ns() // 1000


def terms(**changes: object) -> Monitor:
    return Monitor.model_validate({"interval": "100 ms", "timeout": "500 ms", "confirm": 2, "path": "/", **changes})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "fleet.db")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def notes() -> Notes:
    return Notes()


def spans(engine: Engine, contract: str = "acme") -> tuple[Span, ...]:
    with reading(engine) as connection:
        return read(connection, contract, 0, 1 << 60)


def states(engine: Engine) -> list[tuple[str, str]]:
    return [(span.state, span.reason) for span in spans(engine)]


@contextmanager
def watching(
    engine: Engine, notes: Notes, *watched: Watched, clock: Clock | None = None, most_at_once: int | None = None
) -> Iterator[Watch]:
    options = Options(beat=200 * MS, most_at_once=most_at_once)
    watch = Watch(watched, engine, clock or SystemClock(), notes, options)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def good(exchange: Exchange) -> None:
    exchange.answer()


def test_an_outage_is_measured_within_an_interval_and_a_response(engine: Engine, notes: Notes) -> None:
    with Listener(good) as server, watching(engine, notes, Watched("acme", server.url(), terms())) as watch:
        until(lambda: states(engine) == [("up", "")], "the service is seen up")
        caused_from = now()
        server.close()
        until(lambda: len(states(engine)) == 2, "the outage is seen")
        (seen,) = watch.seen()
        assert (seen.state, seen.down_since) == ("down", spans(engine)[1].start)
        with Listener(good, port=server.port):
            caused_to = now()
            until(lambda: len(states(engine)) == 3, "the end of the outage is seen")
    before, outage, after = spans(engine)
    assert (before.state, outage.state, outage.reason, after.state) == ("up", "down", "connect-refused", "up")
    slack = INTERVAL + 100 * MS
    assert caused_from <= outage.start <= caused_from + slack
    assert caused_to <= outage.end <= caused_to + slack
    assert (before.end, outage.end) == (outage.start, after.start)


def test_fewer_failures_than_confirm_it_are_no_outage(engine: Engine, notes: Notes) -> None:
    broken = iter([False, False, True, False, True, False])

    def answer(exchange: Exchange) -> None:
        exchange.answer(503 if next(broken, False) else 200)

    with Listener(answer) as server, watching(engine, notes, Watched("acme", server.url(), terms())) as watch:
        until(lambda: watch.seen()[0].probes >= 9, "nine probes")
        assert watch.seen()[0].reasons == (("http-status-503", 2),)
    assert states(engine) == [("up", "")]


def test_a_stop_is_quick_and_writes_what_is_known(engine: Engine, notes: Notes) -> None:
    slow = terms(interval="100 ms", timeout="30 s")
    with Listener(good) as server, Listener(Exchange.hang) as hanging:
        watch = Watch(
            [Watched("acme", server.url(), terms()), Watched("hangs", hanging.url(), slow)],
            engine,
            SystemClock(),
            notes,
            Options(beat=3_600_000_000),
        )
        watch.start()
        until(lambda: watch.seen()[0].probes > 5 and hanging.requests, "some probes")
        asked = now()
        watch.stop()
        assert now() - asked < 1_000_000
    assert not watch.alive
    (span,) = spans(engine)
    assert asked - INTERVAL - 100 * MS <= span.end <= now()
    assert spans(engine, "hangs") == ()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM spans WHERE pace_us IS NOT NULL")).scalar() == 0


def test_a_stop_before_the_start_is_no_trouble(engine: Engine, notes: Notes) -> None:
    Watch([], engine, SystemClock(), notes, Options()).stop()


def test_rounds_that_come_due_during_a_probe_are_skipped_and_counted(engine: Engine, notes: Notes) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.stopping.wait(0.25)
        exchange.answer()

    with Listener(answer) as server, watching(engine, notes, Watched("acme", server.url(), terms())) as watch:
        until(lambda: watch.seen()[0].probes >= 4, "four probes")
        assert watch.seen()[0].skipped >= 6
    assert states(engine) == [("up", "")]


def test_no_more_probes_at_once_than_allowed(engine: Engine, notes: Notes) -> None:
    with Listener(Exchange.hang) as hanging:
        watched = [Watched(f"c{number}", hanging.url(f"/{number}"), terms(timeout="30 s")) for number in range(20)]
        with watching(engine, notes, *watched, most_at_once=5) as watch:
            until(lambda: sum(seen.skipped for seen in watch.seen()) > 30, "rounds are skipped")
            assert len(hanging.requests) == 5


def test_a_vantage_whose_control_targets_are_all_dead_records_nothing(engine: Engine, notes: Notes) -> None:
    with Listener(good) as control, Listener(good) as server:
        rules = terms(control=["127.0.0.1:1", f"127.0.0.1:{control.port}"])
        with watching(engine, notes, Watched("acme", server.url(), rules)) as watch:
            until(lambda: states(engine) == [("up", "")], "the service is seen up")
            control.close()
            server.close()
            until(lambda: watch.seen()[0].unrecorded >= 12, "failures that say nothing")
            assert states(engine) == [("up", "")]
            lapsed = spans(engine)[0].end
            with Listener(good, port=control.port):
                until(lambda: len(states(engine)) == 2, "the outage counts once the network is back")
    up, down = spans(engine)
    assert down.state == "down"
    assert lapsed <= up.end < down.start  # what lies between is unknown


def test_one_control_target_that_can_be_reached_is_enough(engine: Engine, notes: Notes) -> None:
    with Listener(good) as control:
        rules = terms(control=["127.0.0.1:1", f"127.0.0.1:{control.port}"])
        with watching(engine, notes, Watched("acme", "http://127.0.0.1:1/", rules)):
            until(lambda: states(engine) == [("down", "connect-refused")], "the outage is recorded")


@pytest.mark.parametrize("step", [3_600_000_000, 700 * MS, -700 * MS])
def test_a_clock_that_is_set_makes_no_time_that_was_not_lived(engine: Engine, notes: Notes, step: int) -> None:
    clock = SetClock()
    with Listener(good) as server:
        one = Watched("acme", server.url(), terms(interval="200 ms", timeout="2 s"))
        with watching(engine, notes, one, clock=clock) as watch:
            until(lambda: states(engine) == [("up", "")], "the service is seen up")
            clock.ahead = step
            until(lambda: watch.steps == 1, "the step is noticed")
            probes = watch.seen()[0].probes
            until(lambda: watch.seen()[0].probes > probes + 10, "more probes")
    rows = spans(engine)
    assert all(earlier.end <= later.start for earlier, later in pairwise(rows))
    assert len(rows) == 2
    assert notes.events[0].startswith("the clock was set")
    if step > 0:
        assert rows[1].start - rows[0].end >= step


def test_probes_under_way_while_the_monitor_stood_still_say_nothing(engine: Engine, notes: Notes) -> None:
    clock = SetClock()
    with Listener(Exchange.hang) as server:
        one = Watched("acme", server.url(), terms(timeout="1 s", confirm=1))
        with watching(engine, notes, one, clock=clock) as watch:
            until(lambda: server.requests, "a probe is under way")
            clock.ahead = clock.stopped = 60_000_000
            until(lambda: watch.seen()[0].probes, "the probe has timed out")
            assert watch.seen()[0].unrecorded == 1
            assert watch.stalls == 1


def test_what_cannot_be_written_is_written_later(engine: Engine, notes: Notes) -> None:
    with Listener(good) as server, watching(engine, notes, Watched("acme", server.url(), terms())) as watch:
        until(lambda: states(engine) == [("up", "")], "the service is seen up")
        with writing(engine) as connection:
            connection.execute(text("ALTER TABLE spans RENAME TO away"))
        server.close()
        until(lambda: watch.write_failures, "a write fails")
        with writing(engine) as connection:
            connection.execute(text("ALTER TABLE away RENAME TO spans"))
        until(lambda: len(states(engine)) == 2, "the outage is written")
    assert notes.events[0].startswith("spans could not be written; trying again")


def test_a_hundred_contracts_ten_times_a_second(engine: Engine, notes: Notes) -> None:
    with Listener(good) as server:
        watched = [Watched(f"c{number}", server.url(f"/{number}"), terms()) for number in range(20)]
        with watching(engine, notes, *watched) as watch:
            until(lambda: min(seen.probes for seen in watch.seen()) >= 10, "ten probes of each")
        assert all(seen.failed == 0 for seen in watch.seen())
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM spans")).scalar() == 20


@contextmanager
def another_process(database: Path, url: str, ca_file: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(HERE / "watching.py"), str(database), url, str(ca_file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[2], env={"PYTHONPATH": "."}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        try:
            yield process
        finally:
            process.kill()


def after_kill(database: Path, server: Listener, trusted: Path, ready: Callable[[Engine], bool]) -> tuple[int, int]:
    """Kill a monitor when the store says that it is time, then run it again; return when it died and lived again."""
    engine = open_database(database)
    with another_process(database, server.url(), trusted) as first:
        until(lambda: ready(engine), "the first monitor has seen enough")
        first.kill()
        first.wait()
        died = now()
    until(lambda: now() > died + 1_500 * MS, "a second and a half pass")
    began = now()
    with another_process(database, server.url(), trusted) as second:
        until(lambda: spans(engine)[-1].end > began + 500 * MS, "the second monitor has seen something")
        second.send_signal(signal.SIGTERM)
        assert second.wait(timeout=2) == 0
    engine.dispose()
    return died, began


def test_a_killed_monitor_leaves_a_gap_that_is_neither_up_nor_down(tmp_path: Path, trusted: Path) -> None:
    database = tmp_path / "fleet.db"
    migrate(open_database(database))

    def ready(engine: Engine) -> bool:
        rows = spans(engine)
        return bool(rows) and rows[0].end - rows[0].start > 1_000 * MS

    with Listener(good) as server:
        died, began = after_kill(database, server, trusted, ready)
    first, second = spans(open_database(database))
    assert (first.state, second.state) == ("up", "up")
    assert died - 600 * MS <= first.end <= died  # at most a heartbeat and an interval were lost
    assert second.start >= began


def test_a_monitor_killed_during_an_outage_does_not_make_it_longer_or_shorter(tmp_path: Path, trusted: Path) -> None:
    database = tmp_path / "fleet.db"
    migrate(open_database(database))

    def ready(engine: Engine) -> bool:
        rows = spans(engine)
        return bool(rows) and rows[-1].state == "down" and rows[-1].end - rows[-1].start > 500 * MS

    with Listener(lambda exchange: exchange.answer(500)) as server:
        died, began = after_kill(database, server, trusted, ready)
    first, second = spans(open_database(database))
    assert (first.state, second.state) == ("down", "down")
    assert died - 600 * MS <= first.end <= died
    assert second.start >= began
