"""Working hours: as text, and as instants in a zone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.holidays import COUNTRIES, Holidays, holidays_between, holidays_of
from contract.hours import ALWAYS, WeeklyHours, hours_text, intervals, weekly_hours
from contract.moment import EPOCH, day, instant, zone
from tests.support.contracts import golden

CASES = golden(Path(__file__).parent / "cases" / "hours.yaml")
MINUTE = 60_000_000
unhurried = settings(deadline=None)  # a loaded machine is slow, not wrong


@st.composite
def weeks(draw: st.DrawFn) -> WeeklyHours:
    days = []
    for _ in range(7):
        cuts = sorted(draw(st.sets(st.integers(0, 1440), max_size=4)))
        days.append(tuple(zip(cuts[::2], cuts[1::2], strict=False)))
    return WeeklyHours(tuple(days))


@pytest.mark.parametrize("case", CASES["texts"], ids=lambda case: case["text"])
def test_a_text_has_its_canonical_form(case: dict[str, str]) -> None:
    assert hours_text(weekly_hours(case["text"])) == case["canonical"]


@pytest.mark.parametrize("case", CASES["intervals"], ids=lambda case: case["why"])
def test_hours_are_these_instants(case: dict[str, Any]) -> None:
    found = intervals(
        weekly_hours(case["hours"]),
        zone(case["timezone"]),
        instant(case["from"]),
        instant(case["to"]),
        frozenset(day(text) for text in case.get("holidays", ())),
    )
    assert found == tuple((instant(begin), instant(end)) for begin, end in case["is"])


@unhurried
@given(weeks().filter(lambda hours: any(hours.days)))
def test_any_week_can_be_written_and_read_again(hours: WeeklyHours) -> None:
    assert weekly_hours(hours_text(hours)) == hours


@unhurried
@given(
    weeks(),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Asuncion", "Asia/Tehran", "Australia/Lord_Howe"]),
    st.integers(0, 20_000 * 1440),
    st.integers(1, 4 * 1440),
)
def test_intervals_are_ordered_disjoint_and_within_their_bounds(
    hours: WeeklyHours, name: str, start: int, length: int
) -> None:
    low, high = start * MINUTE, (start + length) * MINUTE
    found = intervals(hours, zone(name), low, high)
    flat = [edge for pair in found for edge in pair]
    assert flat == sorted(set(flat))
    assert not flat or (low <= flat[0] and flat[-1] <= high)


@unhurried
@given(weeks(), st.sampled_from(["UTC", "UTC+05:45", "Asia/Ho_Chi_Minh"]), st.integers(12_000 * 1440, 20_000 * 1440))
def test_without_summer_time_every_minute_is_inside_when_its_wall_clock_says_so(
    hours: WeeklyHours, name: str, start: int
) -> None:
    local = zone(name)
    found = intervals(hours, local, start * MINUTE, (start + 2 * 1440) * MINUTE)
    for minute in range(start, start + 2 * 1440, 97):
        wall = (EPOCH + timedelta(minutes=minute)).astimezone(local)
        inside = any(low <= wall.hour * 60 + wall.minute < high for low, high in hours.days[wall.weekday()])
        assert inside == any(low <= minute * MINUTE < high for low, high in found)


def test_always_is_all_of_it() -> None:
    assert intervals(ALWAYS, zone("Europe/Berlin"), 5, 10**15) == ((5, 10**15),)


def test_the_holidays_of_three_countries() -> None:
    first, last = day("2026-01-01"), day("2026-12-31")
    assert day("2026-09-02") in holidays_between("VN", first, last)
    assert day("2026-10-01") in holidays_between("CN", first, last)
    assert day("2026-03-21") in holidays_between("IR", first, last)


def test_a_contract_adds_holidays_and_takes_some_away() -> None:
    choice = Holidays(country="VN", add=(day("2026-12-24"), day("2027-12-24")), remove=(day("2026-09-02"),))
    found = holidays_of(choice, day("2026-09-01"), day("2026-12-31"))
    assert day("2026-12-24") in found
    assert day("2026-09-02") not in found
    assert day("2027-12-24") not in found
    assert holidays_of(None, day("2026-01-01"), day("2026-12-31")) == frozenset()


def test_an_unknown_country_has_no_holidays() -> None:
    with pytest.raises(ValueError, match="the holidays of XX are not known"):
        holidays_between("XX", day("2026-01-01"), day("2026-12-31"))


def test_the_list_of_countries_is_the_library_s() -> None:
    from holidays.registry import COUNTRIES as THEIRS

    assert {code for names in THEIRS.values() for code in names[1:] if len(code) == 2} == COUNTRIES
