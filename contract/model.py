"""The contract as frozen, exact types: what the customer was promised, and nothing of how it is kept.

Times are integers of microseconds (durations, and instants since 1970-01-01T00:00Z), ratios are Fractions, money is
a Decimal with its currency. Nothing here reads a file; `contract.parse` makes these values from one.
"""

from typing import Any, Literal

from pydantic import Field

from contract.base import Model
from contract.duration import (
    CalendarDuration,
    Duration,
    Length,
    Micros,
    SomeDuration,
    WorkingDuration,
)
from contract.holidays import HolidayChoice, Holidays
from contract.hours import WeeklyHours
from contract.moment import Moment, When
from contract.money import Money, MoneyAmount
from contract.scalar import (
    Confirm,
    ContractId,
    Control,
    Count,
    Email,
    HttpPath,
    Label,
    Language,
    PublicKey,
    Status,
    Text,
    YesNo,
)
from contract.service import Care, DataProtection, Installation, Licence, Support, Training
from contract.sla import (
    Cap,
    Credit,
    CyclePeriod,
    Formula,
    Maintenance,
    MonthPeriod,
    Multiplier,
    PerHour,
    PeriodSpec,
    PerPoint,
    Sla,
    Tier,
    Tiers,
)
from contract.target import Cloud, CrmChoice, Lan, Saas, Target, WebHost


class Contact(Model):
    """Somebody to write to."""

    role: Text = Field(description="What for, such as operations or billing")
    email: Email = Field(description="Where to")
    name: Text | None = Field(None, description="Who")
    phone: Text | None = Field(None, description="A telephone number")


class Customer(Model):
    """Whose contract it is; `language` is a BCP 47 tag and chooses the language of statements."""

    name: Text = Field(description="The customer's name")
    language: Language = Field("en", description="The language of statements")
    contacts: tuple[Contact, ...] = Field((), description="Whom to write to")


class Term(Model):
    """When the contract binds. The SLA's clock runs from `starts` (default: `accepted`), never before `accepted`."""

    signed: When | None = Field(None, description="When the contract was signed; nothing is deployed before")
    accepted: When | None = Field(None, description="When the service was accepted; the SLA's clock begins")
    starts: When | None = Field(None, description="When the term begins; absent: accepted")
    lasts: Length | None = Field(None, description="How long the term is; absent: until it is ended")
    renewal_notice: Duration | None = Field(None, description="How long before its end the customer is told")


class Expect(Model):
    """What a good answer looks like: its final status, and a text that the body must hold."""

    status: Status = Field(200, description="The HTTP status after redirects")
    body: Text | None = Field(None, description="A text that the page holds")


def _majority(fields: dict[str, Any]) -> int:
    return len(fields.get("vantages", ())) // 2 + 1


def _patience(fields: dict[str, Any]) -> Micros:
    interval: Micros = fields.get("interval", 10_000_000)
    return min(10_000_000, interval)


class Monitor(Model):
    """How the promise is measured; `quorum` is more than half of the vantages where the file has none."""

    interval: SomeDuration = Field(60_000_000, description="From one probe to the next")
    timeout: SomeDuration = Field(
        default_factory=_patience, description="How long an answer is waited for; absent: 10 s, at most the interval"
    )
    confirm: Confirm = Field(2, description="So many failures in a row are an outage")
    path: HttpPath = Field("/", description="The page that is asked for, under the CRM's URL")
    expect: Expect = Field(default_factory=Expect, description="What a good answer looks like")
    vantages: tuple[Label, ...] = Field(("local",), min_length=1, description="Where it is measured from")
    quorum: Count = Field(default_factory=_majority, description="So many vantages that agree decide")
    control: tuple[Control, ...] = Field((), description="Places that answer whenever the vantage's network works")


class Fee(Model):
    """What a whole period costs; `every: year` is the price of one contract year."""

    amount: MoneyAmount = Field(description="The price")
    every: Literal["period", "month", "year"] = Field(description="What it is the price of")


class Payment(Model):
    """How and when the customer pays."""

    methods: tuple[Literal["bank-transfer", "postal-order", "deposit-slip", "card", "cash"], ...] = Field(
        (), description="How"
    )
    when: Literal["after-agreement", "before-installation", "after-acceptance", "each-period"] | None = Field(
        None, description="When"
    )
    within: Duration | None = Field(None, description="How soon after that, or after the invoice")


class Billing(Model):
    """Where credits go, and what is paid."""

    system: Label = Field(
        description="The billing system: webhook or file", json_schema_extra={"enum": ["webhook", "file"]}
    )
    account: Text = Field(description="The customer's account in it")
    fee: Fee | None = Field(None, description="What a period costs; needed for credit in money")
    payment: Payment | None = Field(None, description="How and when the customer pays")
    statement_key: PublicKey | None = Field(None, description="The key that signs statements, as the customer knows it")
    legal_invoice: YesNo = Field(False, description="Whether a legal invoice is issued")  # noqa: FBT003 - a field's default


class Terms(Model):
    """What a contract says at one instant: a file without its amendments."""

    contract: ContractId = Field(description="The contract's id; its file has the same name")
    customer: Customer = Field(description="Whose contract it is")
    crm: CrmChoice = Field(description="Which CRM")
    target: Target = Field(description="Where it runs")
    term: Term = Field(default_factory=Term, description="When the contract binds")
    sla: Sla | None = Field(None, description="The availability promise")
    installation: Installation | None = Field(None, description="Where and how it is installed and accepted")
    support: Support | None = Field(None, description="When and how help is given")
    licence: Licence | None = Field(None, description="The scope of use")
    data_protection: DataProtection | None = Field(None, description="How data is kept and used")
    care: Care | None = Field(None, description="What is done while the service runs")
    training: Training | None = Field(None, description="What is taught")
    monitor: Monitor = Field(default_factory=Monitor, description="How the promise is measured")
    billing: Billing | None = Field(None, description="Where credits go, and what is paid")

    @property
    def id(self) -> str:
        """The contract's id."""
        return self.contract

    @property
    def sla_holidays(self) -> Holidays | None:
        """The holidays that the SLA's hours leave out: its own, or else the support's."""
        if self.sla is None or self.sla.hours is None:
            return None
        if self.sla.holidays is not None:
            return self.sla.holidays
        return self.support.holidays if self.support else None


class Amendment(Model):
    """A change from a date on. Python code gives whole sections; a file gives only what changes.

    A section that is None stays as it was.
    """

    start: When = Field(alias="from", description="From when on it holds")
    customer: Customer | None = Field(None, description="The customer's details, as changed")
    crm: CrmChoice | None = Field(None, description="The CRM, as changed")
    target: Target | None = Field(None, description="Where it runs, as changed")
    term: Term | None = Field(None, description="The term, as changed")
    sla: Sla | None = Field(None, description="The availability promise, as changed")
    installation: Installation | None = Field(None, description="The installation, as changed")
    support: Support | None = Field(None, description="Support, as changed")
    licence: Licence | None = Field(None, description="The licence, as changed")
    data_protection: DataProtection | None = Field(None, description="Data protection, as changed")
    care: Care | None = Field(None, description="Care, as changed")
    training: Training | None = Field(None, description="Training, as changed")
    monitor: Monitor | None = Field(None, description="How it is measured, as changed")
    billing: Billing | None = Field(None, description="Billing, as changed")


class Contract(Terms):
    """One customer's contract, with its amendments in the order of their dates."""

    amendments: tuple[Amendment, ...] = Field((), description="Changes, each from its date on")


SECTIONS: tuple[str, ...] = tuple(name for name in Amendment.model_fields if name != "start")
"""The sections that an amendment can change, as Python names them."""

__all__ = [
    "SECTIONS",
    "Amendment",
    "Billing",
    "CalendarDuration",
    "Cap",
    "Care",
    "Cloud",
    "Contact",
    "Contract",
    "Credit",
    "CrmChoice",
    "Customer",
    "CyclePeriod",
    "DataProtection",
    "Expect",
    "Fee",
    "Formula",
    "HolidayChoice",
    "Holidays",
    "Installation",
    "Lan",
    "Licence",
    "Maintenance",
    "Micros",
    "Moment",
    "Money",
    "Monitor",
    "MonthPeriod",
    "Multiplier",
    "Payment",
    "PerHour",
    "PerPoint",
    "PeriodSpec",
    "Saas",
    "Sla",
    "Support",
    "Target",
    "Term",
    "Terms",
    "Tier",
    "Tiers",
    "Training",
    "WebHost",
    "WeeklyHours",
    "WorkingDuration",
]
