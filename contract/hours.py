"""Working hours: `Mon-Fri 08:00-24:00, Sat 09:00-12:00`, or `24/7`, and the instants that they mean in a zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Annotated, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from contract.base import wrong
from contract.duration import Micros
from contract.moment import EPOCH, local_date, micros, midnight
from contract.scalar import ask_text

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WHOLE_DAY = 1440
HOURS = "write days and times, as in 'Mon-Fri 08:00-18:00, Sat 09:00-12:00', or 24/7"
_ENTRY = re.compile(r"([A-Za-z]{3})(?:\s*[-–]\s*([A-Za-z]{3}))?\s+(\S.*)")
_TIMES = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-–]\s*([0-9]{1,2}):([0-9]{2})")

Ranges: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Working hours: for each weekday (Monday = 0) the half-open minutes of the local day, 0..1440."""

    days: tuple[tuple[tuple[int, int], ...], ...]


ALWAYS = WeeklyHours((((0, WHOLE_DAY),),) * 7)


def weekly_hours(value: object) -> WeeklyHours:
    """Return the hours that a text names, times that overlap joined; or WeeklyHours as they are."""
    if isinstance(value, WeeklyHours):
        return value
    written = ask_text(value, HOURS)
    if written.replace(" ", "") == "24/7":
        return ALWAYS
    ranges: list[list[tuple[int, int]]] = [[] for _ in DAYS]
    for entry in written.split(","):
        for weekday, times in _entry(entry.strip()):
            ranges[weekday].extend(times)
    return WeeklyHours(tuple(_joined(times) for times in ranges))


def _entry(entry: str) -> Iterator[tuple[int, Ranges]]:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise wrong(HOURS)
    first = _weekday(match[1])
    last = _weekday(match[2]) if match[2] else first
    times = tuple(_range(part) for part in re.sub(r"\s*[-–]\s*", "-", match[3]).split())
    for step in range((last - first) % 7 + 1):
        yield (first + step) % 7, times


def _weekday(name: str) -> int:
    try:
        return DAYS.index(name.capitalize())
    except ValueError:
        raise wrong(f"there is no day '{name}': write {', '.join(DAYS)}") from None


def _range(written: str) -> tuple[int, int]:
    match = _TIMES.fullmatch(written)
    if match is None:
        raise wrong(HOURS)
    start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if int(match[2]) > 59 or int(match[4]) > 59 or max(start, end) > WHOLE_DAY:
        raise wrong("there is no such time of the day: write 00:00 to 24:00")
    if end <= start:
        raise wrong("hours end after they begin: write what lies after midnight as the next day's hours")
    return start, end


def _joined(times: list[tuple[int, int]]) -> Ranges:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(times):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)


def hours_text(hours: WeeklyHours) -> str:
    """Return hours as the file writes them, equal neighbouring days joined."""
    if hours == ALWAYS:
        return "24/7"
    entries: list[str] = []
    weekday = 0
    while weekday < 7:
        last = weekday
        while last < 6 and hours.days[last + 1] == hours.days[weekday]:
            last += 1
        if hours.days[weekday]:
            days = DAYS[weekday] if last == weekday else f"{DAYS[weekday]}-{DAYS[last]}"
            entries.append(f"{days} {' '.join(map(_range_text, hours.days[weekday]))}")
        weekday = last + 1
    return ", ".join(entries)


def _range_text(times: tuple[int, int]) -> str:
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in times)


def intervals(
    hours: WeeklyHours, zone: tzinfo, start: Micros, end: Micros, holidays: frozenset[date] = frozenset()
) -> tuple[tuple[Micros, Micros], ...]:
    """Return the disjoint, ordered half-open instants of the hours within [start, end), less whole holidays.

    A local time that clocks skip is the instant of the skip; one that they repeat is its first occurrence. So every
    range keeps its order, and `00:00-24:00` is the whole local day however long it is.
    """
    found: list[tuple[Micros, Micros]] = []
    if start >= end:
        return ()
    when, last = local_date(start, zone) - timedelta(days=1), local_date(end, zone)
    while when <= last:
        if when not in holidays:
            for low, high in hours.days[when.weekday()]:
                begin, finish = max(start, _at(when, low, zone)), min(end, _at(when, high, zone))
                if begin < finish:
                    _append(found, begin, finish)
        when += timedelta(days=1)
    return tuple(found)


def _append(found: list[tuple[Micros, Micros]], begin: Micros, finish: Micros) -> None:
    if found and begin <= found[-1][1]:
        found[-1] = (found[-1][0], max(found[-1][1], finish))
    else:
        found.append((begin, finish))


def _at(when: date, minute: int, zone: tzinfo) -> Micros:
    """Return the instant of a minute of a local day, 0..1440."""
    if minute in {0, WHOLE_DAY}:
        return midnight(when + timedelta(days=minute // WHOLE_DAY), zone)
    local = datetime(when.year, when.month, when.day, minute // 60, minute % 60, tzinfo=zone)
    first = micros(local)
    back = (EPOCH + timedelta(microseconds=first)).astimezone(zone).replace(tzinfo=UTC)
    skipped = local.replace(tzinfo=UTC) != back
    if not skipped:
        return first
    # PEP 495: in a gap, fold 0 reads with the offset before it, fold 1 with the one after; the skip itself is where
    # the earlier offset's reading of the gap's end lies, found from both.
    return _gap(first, micros(local.replace(fold=1)), zone)


def _gap(one: Micros, other: Micros, zone: tzinfo) -> Micros:
    """Return the first instant after a skip of local time that lies between two instants, by halving."""
    before, after = min(one, other), max(one, other)
    old = (EPOCH + timedelta(microseconds=before)).astimezone(zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if (EPOCH + timedelta(microseconds=middle)).astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


_DAY_PATTERN = "([Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at|[Ss]un)"
_TIMES_PATTERN = r"([01]?[0-9]|2[0-4]):[0-5][0-9]\s*[-–]\s*([01]?[0-9]|2[0-4]):[0-5][0-9]"
_ENTRY_PATTERN = rf"{_DAY_PATTERN}(\s*[-–]\s*{_DAY_PATTERN})?(\s+{_TIMES_PATTERN})+"
Hours: TypeAlias = Annotated[
    WeeklyHours,
    PlainValidator(weekly_hours),
    PlainSerializer(hours_text, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^\s*(24/7|{_ENTRY_PATTERN}(\s*,\s*{_ENTRY_PATTERN})*)\s*$",
            "examples": ["Mon-Fri 08:00-24:00, Sat 09:00-12:00", "24/7"],
        }
    ),
]
