"""Periods: golden cases by hand, and that they tile time in every zone and calendar."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import jdatetime  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.calendars import CalendarName, date_of, days_in_month, month_of, months_later
from contract.moment import EPOCH, instant, micros, midnight, zone
from contract.period import NoSuchPeriod, Period, containing, following, named
from contract.sla import CyclePeriod, MonthPeriod
from tests.support.contracts import golden

CASES = golden(Path(__file__).parent / "cases" / "periods.yaml")
ZONES = [
    "UTC",
    "Asia/Tehran",
    "Asia/Ho_Chi_Minh",
    "Europe/Berlin",
    "America/Asuncion",
    "America/Havana",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Africa/Cairo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "UTC+05:45",
]
INSTANTS = st.integers(micros(datetime(1960, 1, 1, tzinfo=UTC)), micros(datetime(2090, 1, 1, tzinfo=UTC)))
DATES = st.dates(datetime(1950, 1, 1, tzinfo=UTC).date(), datetime(2098, 12, 31, tzinfo=UTC).date())
MONTHS = st.builds(
    lambda calendar, name: MonthPeriod(calendar=calendar, timezone=name),
    st.sampled_from(["gregorian", "jalali"]),
    st.sampled_from(ZONES),
)
unhurried = settings(deadline=None)  # a loaded machine is slow, not wrong


@pytest.mark.parametrize("case", CASES["months"], ids=lambda case: case["why"])
def test_a_month_has_its_instants(case: dict[str, str]) -> None:
    spec = MonthPeriod(calendar=case["calendar"], timezone=case["timezone"])
    expected = Period(case["label"], instant(case["from"]), instant(case["to"]))
    assert named(spec, case["label"]) == expected
    assert expected.end - expected.start == int(case["seconds"]) * 1_000_000
    assert containing(spec, expected.start) == expected
    assert containing(spec, expected.end - 1) == expected
    assert containing(spec, expected.end) == following(spec, expected)


@pytest.mark.parametrize("case", CASES["cycles"], ids=lambda case: case["label"])
def test_a_cycle_is_named_by_its_first_instant_in_any_form(case: dict[str, str]) -> None:
    spec = CyclePeriod.model_validate({"every": case["every"], "from": case["from"]})
    found = named(spec, case["label"])
    assert (found.label, found.start, found.end) == (case["start"], instant(case["start"]), instant(case["to"]))
    assert named(spec, found.label) == found


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: f"{case['calendar']} {case['label']}")
def test_a_label_that_names_no_month_says_what_would(case: dict[str, str]) -> None:
    spec = MonthPeriod(calendar=case["calendar"], timezone="UTC")
    with pytest.raises(NoSuchPeriod) as refused:
        named(spec, case["label"])
    assert str(refused.value) == case["says"]


@pytest.mark.parametrize("case", CASES["refused-cycles"], ids=lambda case: case["label"])
def test_a_label_that_names_no_cycle_says_what_would(case: dict[str, str]) -> None:
    spec = CyclePeriod(every=40_000_000, start=instant("2026-02-01T00:00:00Z"))
    with pytest.raises(NoSuchPeriod) as refused:
        named(spec, case["label"])
    assert str(refused.value) == case["says"]


def test_nothing_lies_before_the_first_cycle() -> None:
    spec = CyclePeriod(every=40_000_000, start=1_000_000)
    with pytest.raises(NoSuchPeriod, match="before the first cycle"):
        containing(spec, 999_999)


@unhurried
@given(MONTHS, INSTANTS)
def test_months_tile_time_without_gap_or_overlap(spec: MonthPeriod, when: int) -> None:
    here = containing(spec, when)
    assert here.start <= when < here.end
    after = following(spec, here)
    assert after.start == here.end
    assert after.end > after.start
    assert containing(spec, here.start - 1).end == here.start
    assert named(spec, here.label) == here


@unhurried
@given(st.integers(1, 10**13), INSTANTS, st.integers(0, 10**16))
def test_cycles_tile_time_without_gap_or_overlap(every: int, start: int, later: int) -> None:
    spec = CyclePeriod(every=every, start=start)
    when = min(start + later, micros(datetime(2099, 12, 31, tzinfo=UTC)))
    here = containing(spec, when)
    assert here.start <= when < here.end
    assert here.end - here.start == every
    assert following(spec, here).start == here.end
    assert named(spec, here.label) == here


@unhurried
@given(st.sampled_from(ZONES), DATES)
def test_midnight_is_the_first_instant_of_its_day(name: str, day: date) -> None:
    local = zone(name)
    first = midnight(day, local)

    def date_at(when: int) -> date:
        return (EPOCH + timedelta(microseconds=when)).astimezone(local).date()

    assert date_at(first - 1) < day <= date_at(first)


@unhurried
@given(DATES)
def test_jalali_days_agree_with_the_library(day: date) -> None:
    theirs = jdatetime.date.fromgregorian(date=day)
    ours = month_of("jalali", day)
    assert ours == (theirs.year, theirs.month, theirs.day)
    assert date_of("jalali", *ours) == day
    last = theirs.replace(day=days_in_month("jalali", theirs.year, theirs.month))
    assert (last + timedelta(days=1)).day == 1


@unhurried
@given(DATES, st.sampled_from(["gregorian", "jalali"]), st.integers(0, 600))
def test_months_later_keeps_the_day_or_takes_the_last(day: date, calendar: CalendarName, months: int) -> None:
    year, month, number = month_of(calendar, day)
    later = month_of(calendar, months_later(calendar, day, months))
    assert later[0] * 12 + later[1] == year * 12 + month + months
    assert later[2] == min(number, days_in_month(calendar, later[0], later[1]))


def test_berlin_is_not_where_a_period_is_cut_by_wall_clock() -> None:
    """Subtracting local times would make October 2026 an hour shorter than it is."""
    october = named(MonthPeriod(timezone="Europe/Berlin"), "2026-10")
    local = ZoneInfo("Europe/Berlin")
    wall = datetime(2026, 11, 1, tzinfo=local) - datetime(2026, 10, 1, tzinfo=local)
    assert october.end - october.start == wall // timedelta(microseconds=1) + 3_600_000_000
