"""What a host promises besides availability: installation, support, licence, data protection, care, training."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from contract.base import Model
from contract.duration import (
    AnswerTime,
    CalendarDuration,
    Duration,
    Length,
    Micros,
    SomeDuration,
    length,
    length_text,
)
from contract.holidays import HolidayChoice
from contract.hours import ALWAYS, Hours
from contract.moment import When
from contract.money import Money, MoneyAmount, money_text, some_money
from contract.scalar import Count, Country, Text, YesNo

Channel: TypeAlias = Literal["screen-sharing", "chat", "email", "phone", "portal"]
"""The ways in which a customer reaches the support."""


class Acceptance(Model):
    """The trial operation, and the signed record that ends it."""

    trial: SomeDuration | None = Field(None, description="How long the service is tried together with the customer")
    record: Text | None = Field(None, description="Where the signed acceptance record lies")
    signed_by: tuple[Text, ...] = Field((), description="Who signed it")


class Installation(Model):
    """Where and how the CRM is installed, and how it is accepted."""

    where: Literal["local-network", "cloud-server", "web-server"] | None = Field(None, description="Where it runs")
    how: tuple[Literal["remote", "screen-sharing", "on-site"], ...] = Field((), description="How it is installed")
    acceptance: Acceptance | None = Field(None, description="Trial operation and acceptance record")


class Complaint(Model):
    """A complaint is settled within so long, and these are sent back."""

    within: SomeDuration = Field(description="From its notice")
    sends: tuple[Literal["result", "plan"], ...] = Field(("result", "plan"), description="What is sent back")


class Package(Model):
    """Support time that was bought; what is spent is deducted."""

    time: SomeDuration = Field(description="How much support was bought")
    bought: When | None = Field(None, description="When")
    valid: Length = Field(CalendarDuration(1, "year"), description="From its purchase")
    carried_over: YesNo = Field(False, description="Whether what is left goes into the next package")  # noqa: FBT003 - a field's default
    price: MoneyAmount | None = Field(None, description="What it cost")


def _complaint(value: Any) -> Any:  # noqa: ANN401 - pydantic gives whatever the caller gave
    return {"within": value} if isinstance(value, str) else value


class Support(Model):
    """When and how help is given."""

    hours: Hours = Field(ALWAYS, description="When support answers")
    holidays: HolidayChoice | None = Field(None, description="Public holidays without support")
    channels: tuple[Channel, ...] = Field((), description="How it is reached")
    ticket_answer: AnswerTime | None = Field(None, description="How soon a ticket is answered")
    complaint: Annotated[Complaint, BeforeValidator(_complaint, json_schema_input_type=str | Complaint)] | None = Field(
        None, description="How soon a complaint is settled, with the result and the plan"
    )
    emergencies: Hours | None = Field(None, description="When emergencies are answered")
    packages: tuple[Package, ...] = Field((), description="Support time that was bought")


def _licence_fee(value: object) -> Money | Literal["none"]:
    return "none" if value == "none" else some_money(value)


def _licence_fee_text(value: Money | Literal["none"]) -> str:
    return value if isinstance(value, str) else money_text(value)


LicenceFee: TypeAlias = Annotated[
    Money | Literal["none"],
    PlainValidator(_licence_fee),
    PlainSerializer(_licence_fee_text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["none", "12.50 USD"]}),
]


class Licence(Model):
    """The scope of use, and whose terms the software comes with."""

    users: Count | None = Field(None, description="How many users")
    devices: Count | None = Field(None, description="How many devices")
    regions: tuple[Country, ...] = Field((), description="In which countries")
    terms: Literal["GPL", "vendor"] | None = Field(None, description="Open source under the GPL, or the vendor's terms")
    fee: LicenceFee | None = Field(None, description="The licence's fee; open source has none")


class Backup(Model):
    """How often a backup is made, and how long it is kept."""

    every: Literal["hour", "day", "week", "month"] = Field(description="How often")
    keep: Length = Field(description="How long each is kept")


class Encryption(Model):
    """What is encrypted."""

    at_rest: YesNo = Field(False, description="In storage")  # noqa: FBT003 - a field's default
    in_transit: YesNo = Field(False, description="On the way")  # noqa: FBT003 - a field's default


class Breach(Model):
    """What follows a breach of the data's protection, each within so long; `0 h` is at once."""

    notify: Duration | None = Field(None, description="The customer is told")
    remedy: Duration | None = Field(None, description="The hole is closed")
    prevent: Duration | None = Field(None, description="Its cause is taken away")


class Access(Model):
    """One level of access to the customer's data."""

    level: Text = Field(description="The level's name")
    who: tuple[Text, ...] = Field(min_length=1, description="Who has it")


def _encryption(value: Any) -> Any:  # noqa: ANN401 - pydantic gives whatever the caller gave
    if isinstance(value, str | bool):
        return {"at-rest": value, "in-transit": value}
    return value


def _kept(value: object) -> Micros | CalendarDuration | Literal["while-served"]:
    return "while-served" if value == "while-served" else length(value)


def _kept_text(value: Micros | CalendarDuration | Literal["while-served"]) -> str:
    return value if isinstance(value, str) else length_text(value)


Kept: TypeAlias = Annotated[
    Micros | CalendarDuration | Literal["while-served"],
    PlainValidator(_kept),
    PlainSerializer(_kept_text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["while-served", "30 days"]}),
]


def _nobody(value: Any) -> Any:  # noqa: ANN401 - pydantic gives whatever the caller gave
    return () if value == "nobody" else value


_Nobody = BeforeValidator(_nobody, json_schema_input_type=Literal["nobody"] | tuple[Text, ...])


class DataProtection(Model):
    """How the customer's data is kept and used."""

    backup: Backup | None = Field(None, description="Backups")
    encrypt: Annotated[Encryption, BeforeValidator(_encryption, json_schema_input_type=YesNo | Encryption)] | None = (
        Field(None, description="Encryption: true for both, or each on its own")
    )
    access: tuple[Access, ...] = Field((), description="Who may access it, in levels")
    breach: Breach | None = Field(None, description="What follows a breach")
    used_for: tuple[Literal["sign-up", "service", "support"], ...] = Field((), description="What it is used for")
    shared_with: Annotated[tuple[Text, ...], _Nobody] | None = Field(None, description="Who else gets it")
    kept: Kept | None = Field(None, description="How long it is kept")


class Care(Model):
    """What is done while the service runs."""

    updates: YesNo = Field(False, description="Updates and upgrades within the term")  # noqa: FBT003 - a field's default
    update_notice: Duration | None = Field(None, description="How long before an update the customer is told")
    checks: Literal["day", "week", "month"] | None = Field(None, description="How often the service is checked")
    tuning: Literal["day", "week", "month"] | None = Field(None, description="How often it is tuned")


class Training(Model):
    """What is taught."""

    basic: SomeDuration | None = Field(None, description="Basic training")
    advanced: SomeDuration | None = Field(None, description="Advanced training")
    materials: tuple[Text, ...] = Field((), description="What is handed out")
