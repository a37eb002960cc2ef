from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from monitor.intervals import joined
from monitor.span import Observer, ProbeResult, Span, Watch, finish, observe
from monitor.store.database import migrate, open_database, reading, writing
from monitor.store.recorder import Recorder
from monitor.store.spans import Batch, read, recover, write

SECOND = 1_000_000
EVER = (0, 1 << 60)


def up(start: int, end: int) -> Span:
    return Span("local", start * SECOND, end * SECOND, "up")


def down(start: int, end: int, reason: str = "timeout") -> Span:
    return Span("local", start * SECOND, end * SECOND, "down", reason)


def save(engine: Engine, recorder: Recorder, *, beat: bool = True) -> Batch:
    batch = recorder.beat() if beat else recorder.drain()
    with writing(engine) as connection:
        write(connection, batch)
    return batch


def stored(engine: Engine, contract: str = "acme") -> tuple[Span, ...]:
    with reading(engine) as connection:
        return read(connection, contract, *EVER)


def test_a_good_probe_writes_no_row_and_is_known_by_the_heartbeat(engine: Engine) -> None:
    recorder = Recorder("local")
    recorder.take("acme", (up(0, 1),), SECOND)
    assert len(save(engine, recorder).rows) == 1
    for second in range(1, 100):
        recorder.take("acme", (up(second, second + 1),), SECOND)
        assert not recorder.waiting
    assert save(engine, recorder).rows == {}
    assert stored(engine) == (up(0, 100),)


def test_a_transition_ends_one_row_and_begins_another(engine: Engine) -> None:
    recorder = Recorder("local")
    recorder.take("acme", (up(0, 5),), SECOND)
    save(engine, recorder)
    recorder.take("acme", (up(5, 6), down(6, 8)), SECOND)
    save(engine, recorder)
    recorder.take("acme", (down(8, 10), up(10, 11)), SECOND)
    save(engine, recorder)
    assert stored(engine) == (up(0, 6), down(6, 10), up(10, 11))


def test_another_reason_is_another_row(engine: Engine) -> None:
    recorder = Recorder("local")
    recorder.take("acme", (down(0, 5), down(5, 6, "connect-refused")), SECOND)
    save(engine, recorder)
    assert stored(engine) == (down(0, 5), down(5, 6, "connect-refused"))


def test_a_heartbeat_reaches_only_as_far_as_the_least_known_of_its_pace(engine: Engine) -> None:
    recorder = Recorder("local")
    recorder.take("acme", (up(0, 9),), SECOND)
    recorder.take("umbrella", (up(0, 7),), SECOND)
    recorder.take("slow", (up(0, 2),), 60 * SECOND)
    assert save(engine, recorder).beats == {SECOND: 7 * SECOND, 60 * SECOND: 2 * SECOND}
    recorder.take("acme", (up(9, 19),), SECOND)
    recorder.take("umbrella", (up(7, 17),), SECOND)
    save(engine, recorder)
    assert stored(engine) == (up(0, 17),)
    assert stored(engine, "slow") == (up(0, 2),)


def test_a_span_in_doubt_no_longer_follows_the_heartbeat(engine: Engine) -> None:
    recorder = Recorder("local")
    recorder.take("acme", (up(0, 5),), SECOND)
    recorder.take("umbrella", (up(0, 5),), SECOND)
    recorder.take("acme", (), None)
    recorder.take("umbrella", (up(5, 50),), SECOND)
    save(engine, recorder)
    assert (stored(engine), stored(engine, "umbrella")) == ((up(0, 5),), (up(0, 50),))
    recorder.take("acme", (up(5, 51),), SECOND)
    save(engine, recorder)
    assert stored(engine) == (up(0, 51),)


def test_after_a_crash_nothing_is_known_past_the_last_heartbeat(engine: Engine) -> None:
    recorder = Recorder("local")
    recorder.take("acme", (up(0, 5),), SECOND)
    recorder.take("umbrella", (down(0, 4),), SECOND)
    save(engine, recorder)
    recorder.take("acme", (up(5, 60),), SECOND)  # never written: the process is killed here
    with writing(engine) as connection:
        assert recover(connection, "local") == {"acme": 5 * SECOND, "umbrella": 4 * SECOND}
    after = Recorder("local")
    after.take("acme", (up(90, 91),), SECOND)
    save(engine, after)
    assert stored(engine) == (up(0, 5), up(90, 91))
    assert stored(engine, "umbrella") == (down(0, 4),)


def test_another_vantage_is_left_alone_by_recovery(engine: Engine) -> None:
    other = Recorder("hanoi")
    other.take("acme", (Span("hanoi", 0, SECOND, "up"),), SECOND)
    other.take("acme", (Span("hanoi", SECOND, 9 * SECOND, "up"),), SECOND)
    save(engine, other)
    with writing(engine) as connection:
        assert recover(connection, "local") == {}
    assert stored(engine) == (Span("hanoi", 0, 9 * SECOND, "up"),)


def test_a_million_years_or_a_microsecond_fit(engine: Engine) -> None:
    recorder = Recorder("local")
    recorder.take("acme", (Span("local", 0, 1, "up"), Span("local", 1, 1 << 62, "down", "timeout")), None)
    save(engine, recorder)
    with reading(engine) as connection:
        assert read(connection, "acme", 0, 1) == (Span("local", 0, 1, "up"),)
        assert connection.execute(text("SELECT typeof(to_us) FROM spans GROUP BY 1")).scalar() == "integer"


def test_a_stretch_of_time_gives_the_spans_that_reach_into_it_whole(engine: Engine) -> None:
    recorder = Recorder("local")
    recorder.take("acme", (up(0, 10), down(10, 20), up(20, 30), down(40, 50)), None)
    save(engine, recorder)
    with reading(engine) as connection:
        assert read(connection, "acme", 15 * SECOND, 35 * SECOND) == (down(10, 20), up(20, 30))
        assert read(connection, "acme", 10 * SECOND, 20 * SECOND) == (down(10, 20),)
        assert read(connection, "acme", 30 * SECOND, 40 * SECOND) == ()
        assert read(connection, "nobody", *EVER) == ()


LIFE = st.lists(
    st.tuples(
        st.sampled_from(["good", "bad", "worse", "cut off"]),
        st.integers(1, 5),
        st.booleans(),
        st.sampled_from([None, None, None, None, "kill", "stop"]),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(life=LIFE)
def test_what_is_stored_is_what_was_known_and_a_kill_loses_only_what_no_heartbeat_told(
    life: list[tuple[str, int, bool, str | None]],
) -> None:
    """Runs the state machine and the store side by side, with heartbeats, kills and stops anywhere."""
    watch = Watch("local", SECOND, SECOND // 2, 2)
    with TemporaryDirectory() as folder:
        engine = open_database(Path(folder) / "fleet.db")
        migrate(engine)
        seen, recorder, known, sure = Observer(), Recorder("local"), list[Span](), list[Span]()
        now = 10 * SECOND
        for said, wait, beat, end in life:
            now += wait * SECOND // 2
            result = ProbeResult(now, now + 1000, said == "good", said, control_ok=said != "cut off")
            seen, pieces = observe(watch, seen, result)
            known += pieces
            running = seen.state is not None and seen.pending is None and said != "cut off"
            recorder.take("acme", pieces, SECOND if running else None)
            if beat or recorder.waiting:
                save(engine, recorder, beat=beat)
                sure = list(known)
            if end == "stop":
                seen, pieces = finish(watch, seen, now + 2000)
                known += pieces
                recorder.take("acme", pieces, None)
                save(engine, recorder)
                sure = list(known)
            if end is not None:
                with writing(engine) as connection:
                    seen = Observer(known_until=recover(connection, "local").get("acme", 0))
                known, recorder = list(sure), Recorder("local")
                now += 3000
        rows = stored(engine)
        engine.dispose()
    assert all(before.end <= after.start for before, after in pairwise(rows))
    for state in ("up", "down"):
        assert joined((row.start, row.end) for row in rows if row.state == state) == joined(
            (span.start, span.end) for span in sure if span.state == state
        )
