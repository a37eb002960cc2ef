"""A backup is due a period after the last good one, and failures are tried again ever more seldom."""

from __future__ import annotations

from typing import Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.duration import DAY, HOUR
from crm.backup import Snapshot
from crmhost.backup.schedule import FIRST_PAUSE, LONGEST_PAUSE, due_at, try_again_at
from tests.crmhost.backup.test_retention import NOW, snapshots

Every: TypeAlias = Literal["hour", "day", "week", "month"]


def test_the_first_is_due_at_once() -> None:
    assert due_at("month", ()) is None


@pytest.mark.parametrize(("every", "wait"), [("hour", HOUR), ("day", DAY), ("week", 7 * DAY)])
@given(all_of_them=snapshots)
def test_it_is_due_a_period_after_the_newest(all_of_them: list[Snapshot], every: Every, wait: int) -> None:
    newest = max((one.taken for one in all_of_them), default=None)
    assert due_at(every, all_of_them) == (None if newest is None else newest + wait)


@given(snapshots.filter(bool))
def test_a_month_has_28_to_31_days(all_of_them: list[Snapshot]) -> None:
    due = due_at("month", all_of_them)
    assert due is not None
    assert 28 * DAY <= due - max(one.taken for one in all_of_them) <= 31 * DAY


@given(st.integers(1, 1000))
def test_pauses_grow_and_are_bounded(failures: int) -> None:
    pause, longer = (try_again_at(NOW, times) - NOW for times in (failures, failures + 1))
    assert FIRST_PAUSE <= pause <= longer <= LONGEST_PAUSE
