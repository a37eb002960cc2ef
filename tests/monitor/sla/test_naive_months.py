"""The same against calendar months: zones with summer time, Jalali months, terms by dates, agreed hours, holidays.

The reference asks of every slot which local date and time it has; it knows nothing of where months begin.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import jdatetime  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.hours import weekly_hours
from contract.model import CalendarDuration, Moment, MonthPeriod, Term
from monitor.sla.recompute import recompute
from tests.monitor.sla.naive import Stretch, figures
from tests.monitor.sla.worlds import SECOND, as_naive, contract_of, evidence_of, worlds

SLOT = 1_800  # every offset of these zones, and every change of one, is whole half hours
ZONES = ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Asia/Tehran", "Australia/Lord_Howe", "Asia/Kolkata")
HOURS: dict[str, Any] = {
    "": lambda _weekday, _clock: True,
    "Mon-Fri 08:00-18:00": lambda weekday, clock: weekday < 5 and "08:00" <= clock < "18:00",
    "Sat-Wed 08:30-24:00, Thu 08:30-12:00": lambda weekday, clock: (
        clock >= "08:30" and (weekday in (5, 6, 0, 1, 2) or (weekday == 3 and clock < "12:00"))
    ),
}
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
thorough = settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))


def month_of(calendar: str, day: date) -> tuple[int, int]:
    if calendar == "gregorian":
        return day.year, day.month
    jalali = jdatetime.date.fromgregorian(date=day)
    return jalali.year, jalali.month


def year_later(calendar: str, day: date) -> date:
    """The same date a year on; these dates exist in every year."""
    if calendar == "gregorian":
        return day.replace(year=day.year + 1)
    jalali = jdatetime.date.fromgregorian(date=day)
    later: date = jdatetime.date(jalali.year + 1, jalali.month, jalali.day).togregorian()
    return later


def agree(data: st.DataObject) -> None:
    zone = ZoneInfo(data.draw(st.sampled_from(ZONES), "zone"))
    calendar: Literal["gregorian", "jalali"] = data.draw(st.sampled_from(["gregorian", "jalali"]), "calendar")
    summer_time = st.sampled_from([date(2026, 3, 15), date(2026, 10, 20), date(2027, 4, 2)])
    middle = data.draw(summer_time | st.dates(date(2024, 1, 1), date(2029, 1, 1)), "a day of the month")
    hours = data.draw(st.sampled_from(sorted(HOURS)), "hours")
    slots = 42 * 86_400 // SLOT  # the month, and days around it; a month is known to begin within 31 days of its days
    wanted = month_of(calendar, middle)
    first = next(
        day
        for day in (middle - timedelta(days=back) for back in range(40, -1, -1))
        if month_of(calendar, day) == wanted
    )
    origin = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()) - 5 * 86_400
    world, currency = data.draw(worlds(slots, SLOT), "world")
    accepted = first + timedelta(days=data.draw(st.sampled_from([-300, -2, 0, 1, 9]), "accepted"))
    ends = year_later(calendar, accepted) if data.draw(st.booleans(), "ends") else None
    holidays = data.draw(st.frozensets(st.integers(0, 30).map(lambda days: first + timedelta(days=days)), max_size=3))

    term = Term(
        accepted=Moment(day=accepted),
        lasts=None if ends is None else CalendarDuration(1, "year" if calendar == "gregorian" else "jalali-year"),
    )
    spec = MonthPeriod(calendar=calendar, timezone=zone.key)
    contract = contract_of(world, currency, spec, term, weekly_hours(hours) if hours else None)
    found = recompute(contract, evidence_of(world, origin * SECOND), f"{wanted[0]:04}-{wanted[1]:02}", holidays, {})

    local = [datetime.fromtimestamp(origin + slot * SLOT, zone) for slot in range(slots)]
    months = {day: month_of(calendar, day) for day in {when.date() for when in local}}
    period = [months[when.date()] == wanted for when in local]
    in_term = [
        period[i] and accepted <= when.date() and (ends is None or when.date() < ends) for i, when in enumerate(local)
    ]
    base = [
        in_term[i] and HOURS[hours](when.weekday(), f"{when:%H:%M}") and not (hours and when.date() in holidays)
        for i, when in enumerate(local)
    ]
    assert as_naive(found, origin * SECOND, world) == figures(world, Stretch(period, in_term, base), {})


@quick
@given(st.data())
def test_months_equal_a_count_of_every_half_hour(data: st.DataObject) -> None:
    agree(data)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@thorough
@given(st.data())
def test_months_equal_a_count_of_every_half_hour_thousands_of_times(data: st.DataObject) -> None:
    agree(data)
