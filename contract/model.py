"""The contract as frozen, exact types: what the customer was promised, and nothing of how it is kept.

Times are integers of microseconds (durations, and instants since 1970-01-01T00:00Z), ratios are Fractions, money is
a Decimal with its currency. Nothing here reads a file; `contract.parse` makes these values from one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

Micros: TypeAlias = int
"""A duration in microseconds, or an instant as microseconds since the Unix epoch, UTC."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency (ISO 4217 code), never rounded here."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class CalendarDuration:
    """A length that only a calendar can measure, such as `1 jalali-year`."""

    count: int
    unit: Literal["month", "year", "jalali-month", "jalali-year"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A date (its first instant in the SLA's time zone) or an exact instant, as the file wrote it."""

    day: date | None = None
    instant: Micros | None = None


# --- sla -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MonthPeriod:
    """Calendar months, Gregorian or Jalali, that begin at local midnight of `timezone` (an IANA name)."""

    calendar: Literal["gregorian", "jalali"]
    timezone: str


@dataclass(frozen=True, slots=True)
class CyclePeriod:
    """Cycles of one exact length from a first instant on."""

    every: Micros
    start: Micros


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Working hours: for each weekday (Monday = 0) the half-open minutes of the local day, 0..1440."""

    days: tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Announced windows count when announced `notice` before; `at_most` per period (None: unlimited)."""

    notice: Micros = 0
    at_most: Micros | None = None


@dataclass(frozen=True, slots=True)
class Multiplier:
    """`multiplier` times the downtime, or the excess."""

    multiplier: Fraction
    of: Literal["downtime", "excess"] = "downtime"


@dataclass(frozen=True, slots=True)
class Tier:
    """Below this availability, so many percent (a ratio: 10 % is 1/10) or so many days."""

    below: Fraction
    percent: Fraction | None = None
    days: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Tiers:
    """The lowest tier that matches counts."""

    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class PerHour:
    """`percent` (a ratio) for each hour of the downtime or the excess; started hours count up, full ones down."""

    percent: Fraction
    per: Literal["started-hour", "full-hour"]
    of: Literal["downtime", "excess"] = "downtime"


@dataclass(frozen=True, slots=True)
class PerPoint:
    """`percent` (a ratio) for each whole percentage point short of the target."""

    percent: Fraction
    per_point_short: Literal["full", "started"]


Formula: TypeAlias = Multiplier | Tiers | PerHour | PerPoint


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that one outage (an exact duration) and one period (a ratio of it, or of its fee) may pay."""

    per_outage: Micros | None = None
    per_period: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """What a breach pays."""

    unit: Literal["service-time", "money"]
    formula: Formula
    prorate: Literal["second", "30-days"] = "second"
    cap: Cap = Cap()
    round: Literal["half-up", "half-even", "up", "down"] = "half-up"
    minimum: Micros | Money | None = None


@dataclass(frozen=True, slots=True)
class Sla:
    """The availability promise and the arithmetic of keeping it."""

    availability: Fraction
    period: MonthPeriod | CyclePeriod
    hours: WeeklyHours | None = None
    ignore_shorter_than: Micros = 0
    unknown: Literal["leave-out", "up"] = "leave-out"
    bridge_unknown: Micros = 0
    minimum_coverage: Fraction = Fraction(9, 10)
    maintenance: Maintenance | None = None
    exclude_from: Literal["downtime", "both"] = "downtime"
    credit: Credit | None = None


# --- where it runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CrmChoice:
    """Which CRM, at which exact version, and the URL that the customer uses."""

    recipe: str
    version: str
    url: str


@dataclass(frozen=True, slots=True)
class WebHost:
    """A shared web host that is reached over SSH, without root.

    `listen` is the loopback address where the host's front end expects the customer's own web process;
    `document_root` is the folder that the host serves as files (nothing secret may lie in it).
    """

    host: str
    user: str
    port: int = 22
    listen: str | None = None
    document_root: str | None = None
    kind: Literal["webhost"] = "webhost"


@dataclass(frozen=True, slots=True)
class Lan:
    """A server in the customer's own network, with sudo, reached through `jump` hosts in order."""

    host: str
    user: str
    port: int = 22
    jump: tuple[str, ...] = ()
    kind: Literal["lan"] = "lan"


@dataclass(frozen=True, slots=True)
class Cloud:
    """A Docker host: `docker` is an ssh:// or tcp:// address."""

    docker: str
    kind: Literal["cloud"] = "cloud"


@dataclass(frozen=True, slots=True)
class Saas:
    """A service that somebody else runs: measured and credited, never deployed."""

    kind: Literal["saas"] = "saas"


Target: TypeAlias = WebHost | Lan | Cloud | Saas


# --- the rest of the promise -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to write to."""

    role: str
    email: str


@dataclass(frozen=True, slots=True)
class Customer:
    """Whose contract it is; `language` is a BCP 47 tag and chooses the language of statements."""

    name: str
    language: str = "en"
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """When the contract binds. The SLA's clock runs from `starts` (default: `accepted`), never before `accepted`."""

    signed: Moment | None = None
    accepted: Moment | None = None
    starts: Moment | None = None
    lasts: Micros | CalendarDuration | None = None
    renewal_notice: Micros | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """What a good answer looks like: its final status, and a text that the body must hold."""

    status: int = 200
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Monitor:
    """How the promise is measured."""

    interval: Micros = 60_000_000
    timeout: Micros = 10_000_000
    confirm: int = 2
    path: str = "/"
    expect: Expect = Expect()
    vantages: tuple[str, ...] = ("local",)
    quorum: int = 1
    control: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fee:
    """What a whole period costs; `every: year` is the price of one contract year."""

    amount: Money
    every: Literal["period", "month", "year"]


@dataclass(frozen=True, slots=True)
class Billing:
    """Where credits go. `statement_key` is the public key (hex, Ed25519) that the customer's copy pins."""

    system: str
    account: str
    fee: Fee | None = None
