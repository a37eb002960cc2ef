"""Lengths of time: exact ones in microseconds, and those that only a calendar or working hours can measure."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from contract.base import wrong
from contract.ratio import decimal_text
from contract.scalar import ask_text

Micros: TypeAlias = int
"""A duration in microseconds, or an instant as microseconds since the Unix epoch, UTC."""

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR
LONGEST: Micros = 36_525 * DAY
"""A hundred years: more than any contract, and far from where arithmetic on dates ends."""

_UNITS: dict[str, Micros] = {
    "ms": 1_000,
    "s": SECOND,
    "second": SECOND,
    "seconds": SECOND,
    "min": MINUTE,
    "minute": MINUTE,
    "minutes": MINUTE,
    "h": HOUR,
    "hour": HOUR,
    "hours": HOUR,
    "day": DAY,
    "days": DAY,
    "week": 7 * DAY,
    "weeks": 7 * DAY,
}
_CALENDAR = {word + plural: word for word in ("month", "year", "jalali-month", "jalali-year") for plural in ("", "s")}
_WORKING = {"working-hours": HOUR, "working-hour": HOUR}
_WRITTEN: tuple[tuple[str, Micros], ...] = (("days", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND), ("ms", 1_000))
_LENGTH = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([^\s0-9.][^\s]*)")
EXACT = "write a number and its unit (ms, s, min, h, days or weeks), as in 30 s or 48 h"
CALENDAR = "write a length such as 30 days, 1 year or 1 jalali-year"
WORKING = "write a length such as 4 h or 5 working-hours"


@dataclass(frozen=True, slots=True)
class CalendarDuration:
    """A length that only a calendar can measure, such as `1 jalali-year`."""

    count: int
    unit: Literal["month", "year", "jalali-month", "jalali-year"]


@dataclass(frozen=True, slots=True)
class WorkingDuration:
    """So much time of the support's working hours, in microseconds."""

    length: Micros


def _parts(value: object, units: dict[str, Micros] | dict[str, str], remedy: str) -> tuple[Fraction, str]:
    written = ask_text(value, remedy)
    match = _LENGTH.fullmatch(written)
    if match is None:
        raise wrong(remedy)
    unit = match[2]
    if unit not in units:
        if unit in _CALENDAR and remedy == EXACT:
            raise wrong(f"months and years have no exact length: {EXACT}")
        near = difflib.get_close_matches(unit.lower(), units, 1)
        hint = {"m": "min", "M": "min", "sec": "s", "secs": "s", "hr": "h", "hrs": "h", "d": "days", "H": "h"}.get(unit)
        guess = hint if hint in units else (near[0] if near else None)
        raise wrong(f"did you mean '{match[1]} {guess}'? {remedy}" if guess else remedy)
    return Fraction(match[1]), unit


def _exact(value: object, units: dict[str, Micros], remedy: str) -> Micros:
    count, unit = _parts(value, units, remedy)
    micros = count * units[unit]
    if micros.denominator != 1:
        raise wrong("write a whole number of microseconds; nothing shorter is measured")
    return micros.numerator


def _bounded(micros: object, remedy: str) -> Micros:
    if isinstance(micros, bool) or not isinstance(micros, int) or micros < 0:
        raise wrong(remedy)
    if micros > LONGEST:
        raise wrong("write at most 36525 days (a hundred years)")
    return micros


def duration(value: object) -> Micros:
    """Return an exact length of zero or more, from `48 h` or from microseconds."""
    return _bounded(_exact(value, _UNITS, EXACT) if isinstance(value, str) else value, EXACT)


def some_duration(value: object) -> Micros:
    """Return an exact length of more than zero."""
    micros = duration(value)
    if micros == 0:
        raise wrong("write a length of more than zero")
    return micros


def length(value: object) -> Micros | CalendarDuration:
    """Return an exact length of more than zero, or one that a calendar measures."""
    if isinstance(value, CalendarDuration):
        return value
    if isinstance(value, str) and (match := _LENGTH.fullmatch(value.strip())) and match[2] not in _UNITS:
        count, unit = _parts(value, _CALENDAR, CALENDAR)
        most = 100 if "year" in unit else 1200
        if count.denominator != 1 or not 1 <= count <= most:
            raise wrong(f"write a whole number, from 1 to {most}")
        name = cast(Literal["month", "year", "jalali-month", "jalali-year"], _CALENDAR[unit])
        return CalendarDuration(count.numerator, name)
    return some_duration(value)


def answer_time(value: object) -> Micros | WorkingDuration:
    """Return an exact length of more than zero, or one of working hours (`5 working-hours`)."""
    if isinstance(value, WorkingDuration):
        return value
    if isinstance(value, str) and (match := _LENGTH.fullmatch(value.strip())) and match[2] not in _UNITS:
        return WorkingDuration(some_duration(_exact(value, _WORKING, WORKING)))
    return some_duration(value)


def duration_text(micros: Micros) -> str:
    """Return a length in the largest unit that measures it exactly: `48 h`, `1500 ms`, `0 s`."""
    if micros == 0:
        return "0 s"
    if micros % DAY == 0 and micros < 3 * DAY:
        return f"{micros // HOUR} h"
    for unit, size in _WRITTEN:
        if micros % size == 0:
            return f"{micros // size} {unit}"
    return f"{micros // 1_000}.{micros % 1_000:03} ms"


def length_text(value: Micros | CalendarDuration | WorkingDuration) -> str:
    """Return any length as the file writes it."""
    match value:
        case CalendarDuration(count, unit):
            return f"{count} {unit}"
        case WorkingDuration(micros):
            return f"{decimal_text(Fraction(micros, HOUR))} working-hours"
        case _:
            return duration_text(value)


def _schema(*examples: str, units: str, description: str, zero: bool = False) -> WithJsonSchema:
    some = "" if zero else r"(?!\s*0+(\.0+)?\s*[a-z])"
    pattern = rf"^{some}\s*[0-9]+(\.[0-9]+)?\s*({units})\s*$"
    return WithJsonSchema(
        {"type": "string", "pattern": pattern, "examples": list(examples), "description": description}
    )


_EXACT_UNITS = "|".join(_UNITS)
Duration: TypeAlias = Annotated[
    Micros,
    PlainValidator(duration),
    PlainSerializer(duration_text, return_type=str),
    _schema("48 h", "30 s", units=_EXACT_UNITS, description="An exact length of time, zero or more", zero=True),
]
SomeDuration: TypeAlias = Annotated[
    Micros,
    PlainValidator(some_duration),
    PlainSerializer(duration_text, return_type=str),
    _schema("30 s", "4 h", units=_EXACT_UNITS, description="An exact length of time"),
]
Length: TypeAlias = Annotated[
    Micros | CalendarDuration,
    PlainValidator(length),
    PlainSerializer(length_text, return_type=str),
    _schema(
        "1 jalali-year", "1 year", "30 days", units=f"{_EXACT_UNITS}|{'|'.join(_CALENDAR)}", description="A length"
    ),
]
AnswerTime: TypeAlias = Annotated[
    Micros | WorkingDuration,
    PlainValidator(answer_time),
    PlainSerializer(length_text, return_type=str),
    _schema("5 working-hours", "4 h", units=f"{_EXACT_UNITS}|{'|'.join(_WORKING)}", description="Time to answer"),
]
