"""Money: an exact amount in one currency, its exponent, and the rounding that a contract names.

The exponents are those of ISO 4217, but for IRR: the rial's hundredth has not been in use for decades, and CLDR too
writes it without decimals. The table's revision is part of what a settlement was computed from.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from contract.base import wrong
from contract.scalar import ask_text

Rounding: TypeAlias = Literal["half-up", "half-even", "up", "down"]
REVISION = "ISO 4217:2025, IRR without decimals"

_NO_DECIMALS = "BIF CLP DJF GNF IRR ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO_DECIMALS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY
    COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
    INR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN
    NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
    SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS = "CLF UYW"
_EXPONENTS = {
    code: places
    for places, codes in ((0, _NO_DECIMALS), (2, _TWO_DECIMALS), (3, _THREE_DECIMALS), (4, _FOUR_DECIMALS))
    for code in codes.split()
}
CURRENCIES = frozenset(_EXPONENTS)
"""The codes of all currencies that a contract can name."""

_MONEY = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))?\s*([A-Za-z]{3})")
REMEDY = "write an amount and its currency, as in 1200000 VND or 12.50 USD"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency (ISO 4217 code), never rounded here."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return money_text(self)


def exponent(currency: str) -> int:
    """Return how many decimals the currency's amounts have. Raises KeyError for an unknown currency."""
    return _EXPONENTS[currency]


def money(value: object) -> Money:
    """Return money from `1200000 VND`, or Money as it is; it has at most the currency's decimals."""
    if isinstance(value, Money):
        found = value
    else:
        match = _MONEY.fullmatch(ask_text(value, REMEDY))
        if match is None:
            grouped = isinstance(value, str) and re.fullmatch(
                r"\s*[0-9]{1,3}([,._ '][0-9]{3})+(\.[0-9]+)?\s*[A-Z]{3}\s*", value
            )
            raise wrong(f"leave out the separators of thousands: {REMEDY}" if grouped else REMEDY)
        found = Money(Decimal(f"{match[1]}.{match[2]}" if match[2] else match[1]), match[3])
    if found.currency not in CURRENCIES:
        near = difflib.get_close_matches(found.currency.upper(), sorted(CURRENCIES), 1)
        raise wrong(
            f"did you mean {near[0]}? write an ISO 4217 currency code" if near else "write an ISO 4217 currency code"
        )
    places, allowed = -int(found.amount.as_tuple().exponent), exponent(found.currency)
    if places > allowed:
        raise wrong(
            f"write {found.currency} with at most {allowed} decimals"
            if allowed
            else f"write {found.currency} without decimals"
        )
    if not found.amount.is_finite() or found.amount < 0:
        raise wrong(REMEDY)
    return found


def some_money(value: object) -> Money:
    """Return money of more than zero."""
    found = money(value)
    if found.amount == 0:
        raise wrong("write an amount of more than zero")
    return found


def money_text(value: Money) -> str:
    """Return money as the file writes it, with the currency's decimals: `12.50 USD`."""
    return f"{value.amount:.{exponent(value.currency)}f} {value.currency}"


def rounded(amount: Fraction, currency: str, mode: Rounding) -> Money:
    """Return an exact amount of the currency's unit rounded once to its exponent."""
    places = exponent(currency)
    minor = amount * 10**places
    return Money(Decimal(_whole(minor, mode)).scaleb(-places), currency)


def _whole(value: Fraction, mode: Rounding) -> int:
    """Return the whole number that the mode makes of the value; `up` is away from zero, `down` towards it."""
    sign = -1 if value < 0 else 1
    floor, rest = divmod(abs(value.numerator), value.denominator)
    twice = 2 * rest - value.denominator
    up = {
        "up": rest > 0,
        "down": False,
        "half-up": twice >= 0,
        "half-even": twice > 0 or (twice == 0 and floor % 2 == 1),
    }[mode]
    return sign * (floor + up)


MoneyAmount: TypeAlias = Annotated[
    Money,
    PlainValidator(some_money),
    PlainSerializer(money_text, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^(?!\s*0+(\.0+)?\s*[A-Z])\s*[0-9]+(\.[0-9]+)?\s*({'|'.join(sorted(CURRENCIES))})\s*$",
            "examples": ["1200000 VND", "12.50 USD"],
            "description": "An amount and its ISO 4217 currency",
        }
    ),
]
