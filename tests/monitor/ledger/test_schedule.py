from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.ledger.outbox import Row
from monitor.ledger.schedule import DELAYS, HOUR, LONGEST, delay


def row(credit: int, attempts: int) -> Row:
    return Row(credit=credit, state="unknown", next_at=0, attempts=attempts)


def test_ten_attempts_take_about_three_days_and_a_day_follows_a_day() -> None:
    total = sum(delay(row(1, attempt)) for attempt in range(1, 10))
    assert 48 * HOUR < total < 72 * HOUR
    assert 24 * HOUR <= delay(row(1, 500)) <= 27 * HOUR


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.none() | st.integers(0, 10**15))
def test_a_pause_is_never_shorter_than_asked_nor_without_end(
    credit: int, attempts: int, retry_after: int | None
) -> None:
    pause = delay(row(credit, attempts), retry_after)
    assert DELAYS[0] <= pause <= max(LONGEST, 27 * HOUR)
    assert pause >= min(retry_after or 0, LONGEST)


def test_rows_that_failed_together_do_not_return_together() -> None:
    assert len({delay(row(credit, 3)) for credit in range(50)}) > 25
