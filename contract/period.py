"""Accounting periods: calendar months, Gregorian or Jalali, in a zone, and cycles of one length.

Periods tile time: each begins where the one before ends. Months begin at the first instant of a local day, so summer
time makes them longer or shorter, never overlapping.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from pydantic_core import PydanticCustomError

from contract.calendars import first_of_month, month_of
from contract.duration import Micros
from contract.moment import instant, local_date, midnight, short_text, zone
from contract.sla import CyclePeriod, MonthPeriod

Spec: TypeAlias = MonthPeriod | CyclePeriod

_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_JALALI_YEARS = range(1329, 1479)
_GREGORIAN_YEARS = range(1950, 2100)


class NoSuchPeriod(Exception):
    """A label that names no period of a contract; the message says what would."""


@dataclass(frozen=True, slots=True)
class Period:
    """One accounting window, half-open, in UTC microseconds; `label` is what `--period` takes."""

    label: str
    start: Micros
    end: Micros


def containing(spec: Spec, instant: Micros) -> Period:
    """Return the period that an instant lies in. Raises NoSuchPeriod before a cycle's first."""
    if isinstance(spec, CyclePeriod):
        if instant < spec.start:
            raise NoSuchPeriod(f"{short_text(instant)} lies before the first cycle, {short_text(spec.start)}")
        return _cycle(spec, (instant - spec.start) // spec.every)
    year, month, _ = month_of(spec.calendar, local_date(instant, zone(spec.timezone)))
    return _month(spec, year, month)


def named(spec: Spec, label: str) -> Period:
    """Return the period of a label: `2026-10`, `1405-07`, or a cycle's first instant in any ISO 8601 form.

    Raises NoSuchPeriod for anything else, with a message that names a label of the contract's own.
    """
    return _named_cycle(spec, label) if isinstance(spec, CyclePeriod) else _named_month(spec, label)


def following(spec: Spec, period: Period) -> Period:
    """Return the period after one."""
    return containing(spec, period.end)


def _cycle(spec: CyclePeriod, number: int) -> Period:
    start = spec.start + number * spec.every
    return Period(short_text(start), start, start + spec.every)


def _named_cycle(spec: CyclePeriod, label: str) -> Period:
    try:
        start = instant(label.strip())
    except PydanticCustomError:
        raise NoSuchPeriod(
            f"no period is called '{label}': this contract has cycles, named by their first instant, "
            f"as in {short_text(spec.start)}"
        ) from None
    if start < spec.start:
        raise NoSuchPeriod(f"no cycle begins at {label}: the first begins at {short_text(spec.start)}")
    nearest = _cycle(spec, (start - spec.start) // spec.every)
    if nearest.start != start:
        raise NoSuchPeriod(f"no cycle begins at {label}: the one around it begins at {nearest.label}")
    return nearest


def _month(spec: MonthPeriod, year: int, month: int) -> Period:
    local = zone(spec.timezone)
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    start = midnight(first_of_month(spec.calendar, year, month), local)
    end = midnight(first_of_month(spec.calendar, *after), local)
    return Period(f"{year:04}-{month:02}", start, end)


def _named_month(spec: MonthPeriod, label: str) -> Period:
    jalali = spec.calendar == "jalali"
    example = "1405-07" if jalali else "2026-10"
    match = _MONTH.fullmatch(label.strip())
    if match is None or not 1 <= int(match[2]) <= 12:
        raise NoSuchPeriod(f"no period is called '{label}': write a month, as in {example}")
    year = int(match[1])
    if year in (_GREGORIAN_YEARS if jalali else _JALALI_YEARS):
        mine, other = ("Jalali", "Gregorian") if jalali else ("Gregorian", "Jalali")
        raise NoSuchPeriod(
            f"'{label}' is a {other} month, and this contract has {mine} periods: write one, as in {example}"
        )
    if year not in (_JALALI_YEARS if jalali else _GREGORIAN_YEARS):
        raise NoSuchPeriod(f"no period is called '{label}': write a month, as in {example}")
    return _month(spec, year, int(match[2]))


def day_in(spec: Spec, instant: Micros) -> date:
    """Return the local date of an instant where a contract's dates are read."""
    return local_date(instant, zone(spec.timezone))
