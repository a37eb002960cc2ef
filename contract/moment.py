"""Dates, instants and time zones: what a file writes, and the UTC microseconds that it means.

Everything that is compared is UTC microseconds; zones decide only where a local day begins.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from contract.base import wrong
from contract.duration import Micros
from contract.scalar import ask_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DAY, LAST_DAY = date(1950, 1, 1), date(2099, 12, 31)
"""The days that a contract can name: where the Jalali arithmetic is known to be right."""

_DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
_INSTANT = re.compile(
    _DATE + r"[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?\s?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_OFFSET = re.compile(r"UTC(?:([+-])([0-9]{2}):([0-9]{2}))?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
_MACHINE_ZONES = frozenset({"localtime", "posixrules", "Factory"})
"""Names that mean another zone on another machine; `right/` counts leap seconds, which UTC microseconds do not."""
DATE = "write a date or an instant with its offset, as in 2026-02-01 or 2026-02-01T00:00:00+07:00"
INSTANT = "write an instant with its offset, as in 2026-02-01T00:00:00+07:00"
ZONE = "write an IANA time zone, as in Asia/Ho_Chi_Minh"


@dataclass(frozen=True, slots=True)
class Moment:
    """A date (its first instant in the SLA's time zone) or an exact instant, as the file wrote it."""

    day: date | None = None
    instant: Micros | None = None


def _checked_day(year: str, month: str, day: str) -> date:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError as error:
        raise wrong("write a date that the calendar has", f"{year}-{month}-{day} ({error})") from None
    if 1300 <= found.year < 1500:
        raise wrong("dates in a contract are Gregorian: write the Gregorian date of that Jalali day")
    if not FIRST_DAY <= found <= LAST_DAY:
        raise wrong(f"write a date from {FIRST_DAY} to {LAST_DAY}")
    return found


def day(value: object) -> date:
    """Return a date from `2026-02-01`, or a date as it is."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    remedy = "write a date, as in 2026-02-01"
    match = re.fullmatch(_DATE, ask_text(value, remedy))
    if match is None:
        raise wrong(remedy)
    return _checked_day(match[1], match[2], match[3])


def instant(value: object) -> Micros:
    """Return an instant from ISO 8601 with an offset, or UTC microseconds as they are."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _INSTANT.fullmatch(ask_text(value, INSTANT))
    if match is None or match[8] is None:
        raise wrong(INSTANT)
    when = _checked_day(match[1], match[2], match[3])
    hour, minute, second = int(match[4]), int(match[5]), int(match[6] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise wrong(f"there is no such time of the day: {INSTANT}")
    naive = datetime(when.year, when.month, when.day, hour, minute, second, tzinfo=UTC)
    fraction = int((match[7] or "0").ljust(6, "0"))
    return micros(naive) + fraction - _offset(match[8])


def _offset(written: str) -> Micros:
    if written in {"Z", "z"}:
        return 0
    hours, minutes = int(written[1:3]), int(written[4:6])
    if hours > 14 or minutes > 59:
        raise wrong(f"there is no such offset: {INSTANT}")
    return (1 if written[0] == "+" else -1) * (hours * 60 + minutes) * 60_000_000


def moment(value: object) -> Moment:
    """Return a date or an instant, whichever the text is."""
    if isinstance(value, Moment):
        return value
    written = ask_text(value, DATE)
    if re.fullmatch(_DATE, written):
        return Moment(day=day(written))
    if (match := _INSTANT.fullmatch(written)) and match[8] is None:
        raise wrong(f"a time needs its offset from UTC: {INSTANT}")
    if match is None:
        raise wrong(DATE)
    return Moment(instant=instant(written))


def micros(when: datetime) -> Micros:
    """Return an aware datetime as UTC microseconds, exactly."""
    return (when - EPOCH) // timedelta(microseconds=1)


def instant_text(when: Micros) -> str:
    """Return an instant in UTC with six decimals: `2026-10-03T02:00:00.000000Z`."""
    return f"{EPOCH + timedelta(microseconds=when):%Y-%m-%dT%H:%M:%S.%f}Z"


def short_text(when: Micros) -> str:
    """Return an instant in UTC with the decimals that it needs: `2026-10-03T02:00:00Z`."""
    return instant_text(when)[:-1].rstrip("0").rstrip(".") + "Z"


def moment_text(value: Moment) -> str:
    """Return a moment as the file writes it; an instant in UTC."""
    return value.day.isoformat() if value.day is not None else short_text(value.instant or 0)


def zone(name: str) -> tzinfo:
    """Return the zone of an IANA name, or of a fixed offset written `UTC+07:00`.

    Raises ValueError for a name that the time-zone database does not have.
    """
    if match := _OFFSET.fullmatch(name):
        sign = -1 if match[1] == "-" else 1
        return timezone(sign * timedelta(hours=int(match[2] or 0), minutes=int(match[3] or 0)))
    if not _ZONE.fullmatch(name) or name in _MACHINE_ZONES or name.startswith(("posix/", "right/")):
        raise ValueError(f"no such time zone: {name}")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"no such time zone: {name}") from error


def zone_name(value: object) -> str:
    """Return the name of a time zone that the database knows."""
    name = ask_text(value, ZONE)
    try:
        zone(name)
    except ValueError:
        raise wrong(f"{_nearest_zone(name)}{ZONE}") from None
    return name


def _nearest_zone(name: str) -> str:
    known = {known.lower(): known for known in available_timezones() if "/" in known}
    near = difflib.get_close_matches(name.lower().replace(" ", "_"), known, 1, 0.75)
    return f"did you mean {known[near[0]]}? " if near else ""


def midnight(when: date, local: tzinfo) -> Micros:
    """Return the first instant of a local day, also where clocks skip or repeat midnight.

    The instant is found in UTC: of the two readings of local 00:00 (`fold` 0 and 1) the earlier is the day's first
    instant when midnight exists; when it is skipped, the day begins at the transition itself.
    """
    start = datetime(when.year, when.month, when.day, tzinfo=local)
    first = micros(start)
    back = (EPOCH + timedelta(microseconds=first)).astimezone(local)
    if back.date() == when and (back.hour, back.minute, back.second) == (0, 0, 0):
        return first
    return _transition(when, local, first - 86_400_000_000, first + 86_400_000_000)


def _transition(when: date, local: tzinfo, before: Micros, after: Micros) -> Micros:
    """Return the first instant in (before, after] whose local date is `when` or later, by halving."""
    while after - before > 1:
        middle = (before + after) // 2
        if (EPOCH + timedelta(microseconds=middle)).astimezone(local).date() >= when:
            after = middle
        else:
            before = middle
    return after


def local_date(when: Micros, local: tzinfo) -> date:
    """Return the local date of an instant."""
    return (EPOCH + timedelta(microseconds=when)).astimezone(local).date()


def first_instant(value: Moment, local: tzinfo) -> Micros:
    """Return the instant that a moment means in a zone."""
    return midnight(value.day, local) if value.day is not None else (value.instant or 0)


_DAY_PATTERN = r"^\s*(19[5-9][0-9]|20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_INSTANT_PATTERN = (
    _DAY_PATTERN + r"[Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
    r"\s?([Zz]|[+-][0-9]{2}:[0-9]{2})\s*$"
)
Date: TypeAlias = Annotated[
    date,
    PlainValidator(day),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DAY_PATTERN + r"\s*$", "examples": ["2026-02-01"]}),
]
Instant: TypeAlias = Annotated[
    Micros,
    PlainValidator(instant),
    PlainSerializer(short_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _INSTANT_PATTERN, "examples": ["2026-02-01T00:00:00+07:00"]}),
]
When: TypeAlias = Annotated[
    Moment,
    PlainValidator(moment),
    PlainSerializer(moment_text, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _DAY_PATTERN + r"\s*$"},
                {"type": "string", "pattern": _INSTANT_PATTERN},
            ],
            "examples": ["2026-02-01", "2026-02-01T00:00:00+07:00"],
        }
    ),
]
ZoneName: TypeAlias = Annotated[
    str,
    PlainValidator(zone_name),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([A-Za-z]+(/[A-Za-z0-9_+-]+)*|UTC[+-][0-9]{2}:[0-9]{2})$",
            "examples": ["Asia/Ho_Chi_Minh", "Asia/Tehran"],
        }
    ),
]
