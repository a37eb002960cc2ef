"""What goes is only what is older than was promised; what stays is enough to go back to."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from contract.duration import DAY, HOUR, CalendarDuration, Micros
from crm.backup import Snapshot, Why
from crmhost.backup.retention import expired, later
from tests.crmhost.backup.conftest import HELD, OLD

NOW = 1_791_000_000_000_000


def snapshot(age: Micros, why: Why = "schedule", proven: int | None = None) -> Snapshot:
    taken = NOW - age
    return Snapshot(f"acme-{taken}", "acme", OLD, taken, why, 1, "", HELD, proven=proven)


snapshots = st.lists(
    st.builds(
        snapshot,
        st.integers(0, 400 * DAY),
        st.sampled_from(["asked", "schedule", "upgrade"]),
        st.sampled_from([None, NOW]),
    ),
    unique_by=lambda one: one.id,
    max_size=12,
)
lengths = st.one_of(
    st.integers(1, 400 * DAY),
    st.builds(CalendarDuration, st.integers(1, 5), st.sampled_from(["month", "year", "jalali-month", "jalali-year"])),
)


@given(snapshots, lengths)
def test_only_what_is_older_than_was_promised_goes(
    all_of_them: list[Snapshot], keep: Micros | CalendarDuration
) -> None:
    for gone in expired(all_of_them, keep, NOW):
        assert later(gone.taken, keep) <= NOW


@given(snapshots, lengths)
def test_the_newest_the_newest_proven_and_the_last_upgrade_s_stay(
    all_of_them: list[Snapshot], keep: Micros | CalendarDuration
) -> None:
    gone = {one.id for one in expired(all_of_them, keep, NOW)}
    by_age = sorted(all_of_them, key=lambda one: (one.taken, one.id))
    for some in (by_age, [one for one in by_age if one.proven], [one for one in by_age if one.why == "upgrade"]):
        if some:
            assert some[-1].id not in gone


@given(snapshots, lengths)
def test_all_else_that_is_old_enough_goes(all_of_them: list[Snapshot], keep: Micros | CalendarDuration) -> None:
    gone = {one.id for one in expired(all_of_them, keep, NOW)}
    stays = [one for one in all_of_them if one.id not in gone and later(one.taken, keep) <= NOW]
    assert len(stays) <= 3


@given(snapshots, lengths)
def test_what_is_held_stays_and_a_second_look_finds_nothing(
    all_of_them: list[Snapshot], keep: Micros | CalendarDuration
) -> None:
    held = {one.id for one in all_of_them[::2]}
    gone = {one.id for one in expired(all_of_them, keep, NOW, held)}
    assert not gone & held
    assert expired([one for one in all_of_them if one.id not in gone], keep, NOW, held) == ()


@given(snapshots)
def test_nothing_goes_where_nothing_is_promised(all_of_them: list[Snapshot]) -> None:
    assert expired(all_of_them, None, NOW) == ()


def test_the_oldest_goes_first() -> None:
    all_of_them = [snapshot(1 * DAY), snapshot(40 * DAY), snapshot(50 * DAY)]
    assert [one.taken for one in expired(all_of_them, 30 * DAY, NOW)] == [NOW - 50 * DAY, NOW - 40 * DAY]


def test_a_month_is_the_calendar_s() -> None:
    january_31 = 1_769_824_800_000_000  # 2026-01-31T02:00:00Z
    assert later(january_31, CalendarDuration(1, "month")) == january_31 + 28 * DAY
    assert later(january_31, CalendarDuration(1, "jalali-month")) == january_31 + 30 * DAY
    assert later(january_31, 5 * HOUR) == january_31 + 5 * HOUR


def test_an_old_backup_that_was_proven_lately_stays_beside_the_newest() -> None:
    proven = snapshot(90 * DAY, proven=NOW)
    others = [snapshot(age * DAY) for age in (1, 60, 80)]
    gone = expired([proven, *others], 30 * DAY, NOW)
    assert {one.id for one in gone} == {others[1].id, others[2].id}
    assert expired([replace(proven, proven=None), *others], 30 * DAY, NOW)[0].id == proven.id
