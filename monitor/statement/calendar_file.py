"""The calendar that a period was settled by, as a file: a holidays library that changes later changes no settlement."""

from __future__ import annotations

import json
from datetime import date, timedelta

from contract.amend import for_period
from contract.holidays import holidays_of
from contract.model import Contract, Micros
from contract.moment import zone
from contract.period import Period, day_in
from crm.errors import CrmhostError
from monitor.statement.canonical import canonical

VERSION = 1


def calendar_file(contract: Contract, period: Period, since: Micros) -> bytes:
    """Return the calendar of a period: the local days from `since` (an instant) to its end that are holidays.

    A contract whose SLA holds at all hours has none. The last day is one too many on purpose: the period may end in
    the middle of a local day.
    """
    agreed = for_period(contract, period)
    holidays: frozenset[date] = frozenset()
    zone_name, first, last = "UTC", date(1970, 1, 1), date(1970, 1, 1)
    if agreed.sla is not None:
        spec = agreed.sla.period
        zone_name = str(zone(spec.timezone))
        first, last = day_in(spec, since), day_in(spec, period.end) + timedelta(days=1)
        if agreed.sla.hours is not None:
            holidays = holidays_of(agreed.sla_holidays, first, last)
    return canonical(
        {
            "version": VERSION,
            "timezone": zone_name,
            "from": first.isoformat(),
            "to": last.isoformat(),
            "holidays": sorted(day.isoformat() for day in holidays),
        }
    )


def holidays_in(raw: bytes) -> frozenset[date]:
    """Return the holidays of a calendar file; raises CrmhostError for what is none."""
    try:
        found = json.loads(raw)
        version, days = found["version"], frozenset(date.fromisoformat(day) for day in found["holidays"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CrmhostError(f"calendar.json: it is no calendar of crmhost ({error})") from error
    if version != VERSION:
        raise CrmhostError(f"calendar.json: its version is {version!r}, and this crmhost reads {VERSION}")
    return days
