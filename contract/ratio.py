"""Shares and factors as exact Fractions: `99.9 %`, `3`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from contract.base import wrong
from contract.scalar import ask_text

_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12})?")
_PERCENT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,12})?)\s*%")
PERCENT = "write a percentage, as in 99.9 %"


def decimal_text(value: Fraction) -> str:
    """Return a Fraction as a plain decimal number, or as `n/d` where no decimal number is equal to it."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = f"{abs(value.numerator) * 10**places // value.denominator:0{places + 1}}"
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def percent_text(value: Fraction) -> str:
    """Return a share as a percentage: `99.9 %` for 999/1000."""
    return f"{decimal_text(value * 100)} %"


def _number(value: object, pattern: re.Pattern[str], remedy: str) -> Fraction:
    match = pattern.fullmatch(ask_text(value, remedy))
    if match is None:
        raise wrong(remedy)
    return Fraction(match[match.lastindex or 0])


def _exact(value: object, remedy: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise wrong(remedy)
    return Fraction(value)


def share(value: object) -> Fraction:
    """Return a ratio of more than 0 and at most 1, from `99.9 %` or from an exact number (999/1000)."""
    if isinstance(value, str) and re.fullmatch(_DECIMAL, value.strip()):
        raise wrong(f"did you mean '{value.strip()} %'? {PERCENT}")
    ratio = _number(value, _PERCENT, PERCENT) / 100 if isinstance(value, str) else _exact(value, PERCENT)
    if not 0 < ratio <= 1:
        raise wrong("write a percentage of more than 0 % and at most 100 %")
    return ratio


def percent(value: object) -> Fraction:
    """Return a ratio of more than 0 from `10` or `10 %` (both 1/10), or from an exact number (1/10)."""
    remedy = "write a percentage, as in 10 or 2.5"
    if isinstance(value, str):
        ratio = _number(value.strip().removesuffix("%").strip() if value.strip() != "%" else value, _DECIMAL, remedy)
        ratio /= 100
    else:
        ratio = _exact(value, remedy)
    if not 0 < ratio <= 10:
        raise wrong("write a percentage of more than 0 and at most 1000")
    return ratio


def cap_percent(value: object) -> Fraction:
    """Return a ratio of more than 0, from `100 %`; a cap may be more than the whole."""
    if isinstance(value, str) and "%" not in value:
        raise wrong("write a percentage, as in 100 %")
    return percent(value)


def factor(value: object) -> Fraction:
    """Return an exact number of more than 0, at most 1000."""
    remedy = "write a number of more than 0 and at most 1000, as in 3 or 1.5"
    number = _number(value, _DECIMAL, remedy) if isinstance(value, str) else _exact(value, remedy)
    if not 0 < number <= 1000:
        raise wrong(remedy)
    return number


def _percent_number(value: Fraction) -> str:
    return decimal_text(value * 100)


_UP_TO_100 = r"^(?!\s*0+(\.0+)?\s*%)\s*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)\s*%\s*$"
_SIGNED = r"^\s*[0-9]+(\.[0-9]+)?\s*%\s*$"
Share: TypeAlias = Annotated[
    Fraction,
    PlainValidator(share),
    PlainSerializer(percent_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _UP_TO_100, "examples": ["99.9 %"]}),
]
CapPercent: TypeAlias = Annotated[
    Fraction,
    PlainValidator(cap_percent),
    PlainSerializer(percent_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _SIGNED, "examples": ["100 %"]}),
]
Percent: TypeAlias = Annotated[
    Fraction,
    PlainValidator(percent),
    PlainSerializer(_percent_number, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
                {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*%?\s*$"},
            ],
            "examples": [10],
        }
    ),
]
Factor: TypeAlias = Annotated[
    Fraction,
    PlainValidator(factor),
    PlainSerializer(decimal_text, return_type=str),
    WithJsonSchema({"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": 1000, "examples": [3]}),
]
