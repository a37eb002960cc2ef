"""Numbers, durations, dates and words as one language writes them. Persian dates are Jalali.

What is exact stays exact: numbers are formatted from Decimals, and ratios are rounded down, never up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal, localcontext
from fractions import Fraction
from importlib import resources

from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal, format_percent
from babel.units import format_unit

from contract.calendars import month_of
from contract.model import Micros
from contract.moment import EPOCH

LANGUAGES = ("en", "vi", "zh", "fa")
MOST_DIGITS = 100
"""More digits than any number of a contract has."""

RIGHT_TO_LEFT = frozenset({"fa"})

_PERSIAN = str.maketrans("0123456789%", "۰۱۲۳۴۵۶۷۸۹٪")
_JALALI_MONTHS = (
    ("Farvardin", "فروردین"),
    ("Ordibehesht", "اردیبهشت"),
    ("Khordad", "خرداد"),
    ("Tir", "تیر"),
    ("Mordad", "مرداد"),
    ("Shahrivar", "شهریور"),
    ("Mehr", "مهر"),
    ("Aban", "آبان"),
    ("Azar", "آذر"),
    ("Dey", "دی"),
    ("Bahman", "بهمن"),
    ("Esfand", "اسفند"),
)


@dataclass(frozen=True, slots=True)
class Speech:
    """One language: its words by their keys, and how it writes values. `zone` is where local times are."""

    language: str
    words: Mapping[str, str]
    zone: tzinfo

    @property
    def direction(self) -> str:
        """Return `rtl` or `ltr`."""
        return "rtl" if self.language in RIGHT_TO_LEFT else "ltr"

    def __call__(self, key: str, **values: str) -> str:
        """Return a word, or a sentence with its values filled in; raises KeyError for one that is not written."""
        return self.words[key].format(**values)

    def digits(self, text: str) -> str:
        """Write the digits of a text as the language does."""
        return text.translate(_PERSIAN) if self.language == "fa" else text

    @property
    def _numbering(self) -> str:
        """Return the name of the numbers' system, which decides the signs between their digits."""
        return "arabext" if self.language == "fa" else "latn"

    def number(self, value: Fraction | int, places: int = 6) -> str:
        """Write a number with as many decimals as it needs, at most `places`, rounded down."""
        pattern = "#,##0" + ("." + "#" * places if places else "")
        with localcontext(prec=MOST_DIGITS):
            cut = _decimal(Fraction(value), places)
            return self.digits(format_decimal(cut, pattern, locale=self.language, numbering_system=self._numbering))

    def percent(self, ratio: Fraction, places: int = 4) -> str:
        """Write a ratio as a percentage, rounded down."""
        pattern = "#,##0" + ("." + "#" * places if places else "") + "%"
        value = _decimal(ratio, places + 2)
        # The digits are few enough for the format to round nothing; what it would round was cut off before.
        return self.digits(format_percent(value, pattern, locale=self.language, numbering_system=self._numbering))

    def money(self, amount: str, currency: str) -> str:
        """Write an amount of a currency, with all the decimals that it has."""
        value = Decimal(amount)
        places = max(0, -int(value.as_tuple().exponent))
        pattern = "#,##0" + ("." + "0" * places if places else "") + " ¤¤"
        return self.digits(
            format_currency(
                value,
                currency,
                pattern,
                locale=self.language,
                currency_digits=False,
                numbering_system=self._numbering,
            )
        )

    def seconds(self, micros: Micros | Fraction) -> str:
        """Write a length as a bare number of seconds."""
        return self.number(Fraction(micros) / 1_000_000)

    def length(self, micros: Micros) -> str:
        """Write a length in hours, minutes and seconds, leaving out what is nothing."""
        seconds, rest = divmod(micros, 1_000_000)
        parts = [(seconds // 3600, "hour"), (seconds % 3600 // 60, "minute")]
        written = [self._unit(Decimal(count), unit) for count, unit in parts if count]
        last = Decimal(seconds % 60) + Decimal(rest) / 1_000_000
        if last or not written:
            written.append(self._unit(last, "second"))
        return " ".join(written)

    def _unit(self, count: Decimal, unit: str) -> str:
        return self.digits(
            format_unit(
                count,
                f"duration-{unit}",
                "short",
                format="#,##0.######",
                locale=self.language,
                numbering_system=self._numbering,
            )
        )

    def when(self, instant: Micros) -> str:
        """Write an instant as a local date and time, to the second."""
        local = self._local(instant)
        return f"{self.day(instant)}{'،' if self.language == 'fa' else ','} {self.digits(f'{local:%H:%M:%S}')}"

    def day(self, instant: Micros) -> str:
        """Write the local date of an instant."""
        local = self._local(instant).date()
        if self.language != "fa":
            return str(format_date(local, "medium", locale=self.language))
        year, month, day = month_of("jalali", local)
        return self.digits(f"{day} {_JALALI_MONTHS[month - 1][1]} {year}")

    def short_day(self, instant: Micros) -> str:
        """Write the local day and month of an instant."""
        local = self._local(instant).date()
        if self.language != "fa":
            return str(format_skeleton("MMMd", local, locale=self.language))
        _, month, day = month_of("jalali", local)
        return self.digits(f"{day} {_JALALI_MONTHS[month - 1][1]}")

    def clock(self, instant: Micros) -> str:
        """Write the local time of day of an instant."""
        return self.digits(f"{self._local(instant):%H:%M:%S}")

    def month(self, label: str, *, jalali: bool) -> str:
        """Write the month that a period's label names: `2026-10`, `1405-07`."""
        year, month = int(label[:4]), int(label[5:7])
        if jalali:
            return self.digits(f"{_JALALI_MONTHS[month - 1][self.language == 'fa']} {year}")
        return self.digits(str(format_skeleton("yMMMM", date(year, month, 1), locale=self.language)))

    def _local(self, instant: Micros) -> datetime:
        return (EPOCH + timedelta(microseconds=instant)).astimezone(self.zone)


def speech(language: str, zone: tzinfo) -> Speech:
    """Return the speech of a BCP 47 tag, by its first part; English where that is not one of LANGUAGES."""
    known = language.lower().replace("_", "-").partition("-")[0]
    found = known if known in LANGUAGES else "en"
    text = resources.files("monitor.pages").joinpath("words", f"{found}.json").read_text("utf-8")
    return Speech(found, json.loads(text), zone)


def _decimal(value: Fraction, places: int) -> Decimal:
    """Return a Fraction as a Decimal of at most so many places, rounded towards zero."""
    scaled = abs(value.numerator) * 10**places // value.denominator
    return Decimal(-scaled if value < 0 else scaled).scaleb(-places)
