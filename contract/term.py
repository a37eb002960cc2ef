"""When a contract binds: its term, and when the SLA's clock begins."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from contract.calendars import CalendarName, months_later
from contract.duration import CalendarDuration, Micros
from contract.model import Contract, Term
from contract.moment import EPOCH, Moment, first_instant, micros, midnight, zone
from contract.sla import CyclePeriod, MonthPeriod

_MONTHS = {"month": 1, "year": 12, "jalali-month": 1, "jalali-year": 12}


def zone_of(contract: Contract) -> tzinfo:
    """Return where a contract's dates are read: its period's zone, UTC without an SLA."""
    return zone(contract.sla.period.timezone) if contract.sla is not None else zone("UTC")


def bounds(term: Term, spec: MonthPeriod | CyclePeriod) -> tuple[Micros, Micros | None] | None:
    """Return the term's first instant and its end, exclusive (None: until it is ended); None while it has no start.

    The term begins at `starts`, or else at `accepted`, and ends at the same date and time of the calendar that its
    duration names; a day that the last month lacks is that month's last one.
    """
    begins = term.starts or term.accepted
    if begins is None:
        return None
    local = zone(spec.timezone)
    start = first_instant(begins, local)
    if term.lasts is None:
        return start, None
    return start, end_of(begins, term.lasts, local)


def end_of(begins: Moment, lasts: Micros | CalendarDuration, local: tzinfo) -> Micros:
    """Return the first instant after a length that begins at a moment."""
    start = first_instant(begins, local)
    if not isinstance(lasts, CalendarDuration):
        return start + lasts
    calendar: CalendarName = "jalali" if lasts.unit.startswith("jalali") else "gregorian"
    months = lasts.count * _MONTHS[lasts.unit]
    if begins.day is not None:
        return midnight(months_later(calendar, begins.day, months), local)
    clock = (EPOCH + timedelta(microseconds=start)).astimezone(local)
    last = months_later(calendar, clock.date(), months)
    if clock.time() == datetime.min.time():
        return midnight(last, local)
    return micros(datetime.combine(last, clock.time(), tzinfo=local))


def sla_begins(term: Term, spec: MonthPeriod | CyclePeriod) -> Micros | None:
    """Return when the SLA's clock begins: with the term, but not before `accepted`; None before either is known.

    Without `accepted` there is no SLA clock, whatever `starts` says.
    """
    if term.accepted is None:
        return None
    local = zone(spec.timezone)
    accepted = first_instant(term.accepted, local)
    return max(accepted, first_instant(term.starts, local)) if term.starts is not None else accepted


def signed_at(term: Term, spec: MonthPeriod | CyclePeriod | None) -> Micros | None:
    """Return when the contract was signed; a date is its first instant in the period's zone, in UTC without one."""
    if term.signed is None:
        return None
    return first_instant(term.signed, zone(spec.timezone if spec is not None else "UTC"))


def contract_year(term: Term, spec: MonthPeriod | CyclePeriod, when: Micros) -> tuple[Micros, Micros] | None:
    """Return the year of the term, counted from its start, that an instant lies in; None before the term.

    Its years are those of the calendar that the term's length names, or else of the period's calendar.
    """
    limits = bounds(term, spec)
    begins = term.starts or term.accepted
    if limits is None or begins is None or when < limits[0]:
        return None
    jalali = (
        term.lasts.unit.startswith("jalali")
        if isinstance(term.lasts, CalendarDuration)
        else isinstance(spec, MonthPeriod) and spec.calendar == "jalali"
    )
    local = zone(spec.timezone)
    years, low, high = 1, limits[0], limits[0]
    while high <= when:
        low = high
        high = end_of(begins, CalendarDuration(years, "jalali-year" if jalali else "year"), local)
        years += 1
    return low, high
