"""The two calendars that contracts are kept in: where a day lies in each, and what lies so many months on."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from typing import Literal, TypeAlias

CalendarName: TypeAlias = Literal["gregorian", "jalali"]
YearMonthDay: TypeAlias = tuple[int, int, int]


def month_of(calendar: CalendarName, day: date) -> YearMonthDay:
    """Return year, month and day of a date in a calendar."""
    if calendar == "gregorian":
        return day.year, day.month, day.day
    from jdatetime import GregorianToJalali  # type: ignore[import-untyped]  # it has no types; only Jalali contracts pay for it

    year, month, number = GregorianToJalali(day.year, day.month, day.day).getJalaliList()
    return int(year), int(month), int(number)


def date_of(calendar: CalendarName, year: int, month: int, day: int) -> date:
    """Return the date of a calendar's day, which must exist."""
    if calendar == "gregorian":
        return date(year, month, day)
    from jdatetime import JalaliToGregorian  # as above

    found = JalaliToGregorian(year, month, day).getGregorianList()
    return date(int(found[0]), int(found[1]), int(found[2]))


def first_of_month(calendar: CalendarName, year: int, month: int) -> date:
    """Return the first day of a calendar's month."""
    return date_of(calendar, year, month, 1)


def days_in_month(calendar: CalendarName, year: int, month: int) -> int:
    """Return how many days a calendar's month has."""
    if calendar == "gregorian":
        return monthrange(year, month)[1]
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    return (first_of_month(calendar, *after) - first_of_month(calendar, year, month)).days


def months_later(calendar: CalendarName, day: date, months: int) -> date:
    """Return the same day of the calendar so many months on; where that month lacks it, the month's last day."""
    year, month, number = month_of(calendar, day)
    years, index = divmod(month - 1 + months, 12)
    year, month = year + years, index + 1
    return date_of(calendar, year, month, min(number, days_in_month(calendar, year, month)))
