"""The availability promise: the whole of `sla:`. The arithmetic of keeping it lies with whoever measures."""

import re
from fractions import Fraction
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)

from contract.base import Model, wrong
from contract.duration import Duration, Micros, SomeDuration, duration_text, some_duration
from contract.holidays import HolidayChoice
from contract.hours import Hours
from contract.moment import Instant, ZoneName
from contract.money import Money, money_text, some_money
from contract.ratio import CapPercent, Factor, Percent, Share

_OFFSET = re.compile(r":[0-9.]+\s?([+-][0-9]{2}:[0-9]{2})\s*$")

Of: TypeAlias = Literal["downtime", "excess"]


def _month(value: Any) -> Any:  # noqa: ANN401 - pydantic gives whatever the caller gave
    if isinstance(value, str) and value != "month":
        calendar = "jalali" if "jalali" in value else "gregorian"
        raise wrong(f"write 'every: month' and 'calendar: {calendar}'")
    return value


class MonthPeriod(Model):
    """Calendar months, Gregorian or Jalali, that begin at local midnight of `timezone` (an IANA name)."""

    every: Annotated[Literal["month"], BeforeValidator(_month)] = Field("month", description="The length of a period")
    calendar: Literal["gregorian", "jalali"] = Field("gregorian", description="Whose months")
    timezone: ZoneName = Field(description="Where months begin")


class CyclePeriod(Model):
    """Cycles of one exact length from a first instant on.

    `timezone` is where the contract's dates and hours are read; absent in a file, it is the offset that `from` has.
    """

    every: SomeDuration = Field(description="The length of a cycle")
    start: Instant = Field(alias="from", description="The first cycle's first instant")
    timezone: ZoneName = Field("UTC", description="Where the contract's dates and hours are read")

    @model_validator(mode="before")
    @classmethod
    def _offset_of_from(cls, data: Any) -> Any:  # noqa: ANN401 - pydantic gives whatever the caller gave
        written = data.get("from") if isinstance(data, dict) else None
        offset = _OFFSET.search(written) if isinstance(written, str) and "timezone" not in data else None
        return {**data, "timezone": f"UTC{offset[1]}"} if offset else data


def _which_period(value: Any) -> str | None:  # noqa: ANN401 - pydantic gives whatever the caller gave
    if not isinstance(value, dict):
        return type(value).__name__
    if "month" in str(value.get("every", "")):
        return "MonthPeriod"
    return "CyclePeriod" if "from" in value or not {"calendar", "timezone"} & set(value) else "MonthPeriod"


PeriodSpec: TypeAlias = Annotated[
    Annotated[MonthPeriod, Tag("MonthPeriod")] | Annotated[CyclePeriod, Tag("CyclePeriod")],
    Discriminator(_which_period),
]


class Maintenance(Model):
    """Announced windows count when announced `notice` before; `at_most` per period (None: unlimited)."""

    notice: Duration = Field(0, description="How long before it begins a window must be announced")
    at_most: Duration | None = Field(None, description="How much of a period may be maintenance")


class Multiplier(Model):
    """`multiplier` times the downtime, or the excess."""

    multiplier: Factor = Field(description="How many times the lost time is given back")
    of: Of = Field("downtime", description="All downtime once breached, or what exceeds the promise")


class Tier(Model):
    """Below this availability, so many percent (a ratio: 10 % is 1/10) or so many days."""

    below: Share = Field(description="The availability that was not reached")
    percent: Percent | None = Field(None, description="Percent of the period, or of its fee")
    days: Factor | None = Field(None, description="Days of service time")


class Tiers(Model):
    """The lowest tier that matches counts."""

    tiers: tuple[Tier, ...] = Field(min_length=1, description="What each availability pays")


class PerHour(Model):
    """`percent` (a ratio) for each hour of the downtime or the excess; started hours count up, full ones down."""

    percent: Percent = Field(description="Percent of the period, or of its fee")
    per: Literal["started-hour", "full-hour"] = Field(description="Which hours are counted")
    of: Of = Field("downtime", description="All downtime once breached, or what exceeds the promise")


class PerPoint(Model):
    """`percent` (a ratio) for each whole percentage point short of the target."""

    percent: Percent = Field(description="Percent of the period, or of its fee")
    per_point_short: Literal["full", "started"] = Field(description="Which percentage points are counted")


def _which_formula(value: Any) -> str | None:  # noqa: ANN401 - pydantic gives whatever the caller gave
    if not isinstance(value, dict):
        return type(value).__name__
    for key, name in (
        ("multiplier", "Multiplier"),
        ("tiers", "Tiers"),
        ("per", "PerHour"),
        ("per-point-short", "PerPoint"),
    ):
        if key in value:
            return name
    return None


Formula: TypeAlias = Annotated[
    Annotated[Multiplier, Tag("Multiplier")]
    | Annotated[Tiers, Tag("Tiers")]
    | Annotated[PerHour, Tag("PerHour")]
    | Annotated[PerPoint, Tag("PerPoint")],
    Discriminator(_which_formula),
]


class Cap(Model):
    """The most that one outage (an exact duration) and one period (a ratio of it, or of its fee) may pay."""

    per_outage: SomeDuration | None = Field(None, description="The most that one outage pays")
    per_period: CapPercent | None = Field(None, description="The most that one period pays")


def _minimum(value: object) -> Micros | Money:
    remedy = "write a length or money, as in 60 s or 1.00 USD"
    if isinstance(value, str):
        written = value.strip()
        return some_money(written) if written[-3:].isalpha() and written[-3:].isupper() else some_duration(written)
    if isinstance(value, Money):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return some_duration(value)
    raise wrong(remedy)


def _minimum_text(value: Micros | Money) -> str:
    return money_text(value) if isinstance(value, Money) else duration_text(value)


Minimum: TypeAlias = Annotated[
    Micros | Money,
    PlainValidator(_minimum),
    PlainSerializer(_minimum_text, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*[A-Za-z]+\s*$", "examples": ["60 s", "1.00 USD"]}
    ),
]


class Credit(Model):
    """What a breach pays."""

    unit: Literal["service-time", "money"] = Field(description="What is given back")
    formula: Formula = Field(description="How much")
    prorate: Literal["second", "30-days"] = Field("second", description="What the fee is divided by")
    cap: Cap = Field(default_factory=Cap, description="The most that is paid")
    round: Literal["half-up", "half-even", "up", "down"] = Field("half-up", description="How money is rounded")
    minimum: Minimum | None = Field(None, description="Less than this is not paid")


class Sla(Model):
    """The availability promise and the arithmetic of keeping it."""

    availability: Share = Field(description="The share of a period's base that the service is up")
    period: PeriodSpec = Field(description="The accounting window")
    hours: Hours | None = Field(None, description="The promise holds only then")
    holidays: HolidayChoice | None = Field(None, description="Days on which `hours` hold not; absent: the support's")
    ignore_shorter_than: Duration = Field(0, description="Shorter outages are no outages")
    unknown: Literal["leave-out", "up"] = Field("leave-out", description="What unmeasured time is")
    bridge_unknown: Duration = Field(0, description="An unknown stretch this short, between two down ones, is down")
    minimum_coverage: Share = Field(Fraction(9, 10), description="Less known time needs a person's approval")
    maintenance: Maintenance | None = Field(None, description="Announced windows that do not count")
    exclude_from: Literal["downtime", "both"] = Field("downtime", description="What exclusions are taken out of")
    credit: Credit | None = Field(None, description="What a breach pays")
