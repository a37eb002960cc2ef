"""The grammar of `crmhost.yaml`: what holds for all customers of a fleet."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from contract.base import Model, wrong
from contract.duration import Duration
from contract.scalar import Control, Label, Loopback, Text, Url, ask_text
from crmhost.cloudsettings import Cloud


def _recipient(value: object) -> str:
    remedy = "write an age recipient, as `crmhost secrets identity` prints it: age1…"
    written = ask_text(value, remedy)
    if not re.fullmatch(r"age1[a-z0-9]{58}", written):
        raise wrong(remedy)
    return written


def _sha256(value: object) -> str:
    remedy = "write 64 hex digits, as sha256sum prints them"
    written = ask_text(value, remedy)
    if not re.fullmatch(r"[0-9a-f]{64}", written):
        raise wrong(remedy)
    return written


def _path(value: object) -> str:
    written = ask_text(value, "write a file's path, relative to the fleet or absolute")
    if any(ord(character) < 32 for character in written):
        raise wrong("write a path without control characters")
    return written


def _backup_place(value: object) -> str:
    remedy = "write a folder, relative to the fleet or absolute, or s3://bucket/prefix"
    written = _path(ask_text(value, remedy))
    if "://" in written and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?", written):
        raise wrong(remedy)
    return written


Recipient: TypeAlias = Annotated[
    str, PlainValidator(_recipient), WithJsonSchema({"type": "string", "pattern": "^age1"})
]
Sha256: TypeAlias = Annotated[
    str, PlainValidator(_sha256), WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{64}$"})
]
FilePath: TypeAlias = Annotated[str, PlainValidator(_path), WithJsonSchema({"type": "string"})]
BackupPlace: TypeAlias = Annotated[str, PlainValidator(_backup_place), WithJsonSchema({"type": "string"})]


class Ssh(Model):
    """How hosts are reached. Absent: the agent and the user's own default keys."""

    key: FilePath | None = Field(None, description="A private key file, instead of the agent and the default keys")
    sudo_password_file: FilePath | None = Field(None, description="A file with the password that sudo wants on hosts")
    config: FilePath | None = Field(None, description="An OpenSSH configuration instead of ~/.ssh/config; none: none")


class Serve(Model):
    """How `crmhost serve` runs."""

    listen: Loopback = Field("127.0.0.1:9464", description="Where /metrics and the pages are served")
    vantage: Label = Field("local", description="The name under which this machine measures")
    control: tuple[Control, ...] = Field((), description="Places that answer whenever this machine's network works")
    grace: Duration = Field(600_000_000, description="How long after its end a period waits for late evidence")


class Backups(Model):
    """Where backups are kept, sealed for the recipients. A bucket's keys come from the environment, as AWS names them.

    They should not lie on a machine that they are backups of.
    """

    to: BackupPlace = Field(".crmhost/backups", description="A folder, or s3://bucket/prefix")
    endpoint: Url | None = Field(None, description="The S3 service, where it is not Amazon's")
    region: Text | None = Field(None, description="The bucket's region")


class Webhook(Model):
    """Credits as Standard Webhooks. The secret is `_fleet/billing-webhook`."""

    url: Url = Field(description="Where credits are posted; GET <url>credits/<key> finds one again")


class CsvFile(Model):
    """Credits as lines of a CSV file, for the accountant."""

    path: FilePath = Field("credits.csv", description="The file")


class BillingSystems(Model):
    """The billing systems that contracts may name."""

    webhook: Webhook | None = Field(None, description="Standard Webhooks")
    file: CsvFile | None = Field(None, description="A CSV file")


class ArchivePin(Model):
    """What the fleet knows of a CRM's archive: a checksum that its recipe has not, a copy on a closed network."""

    of: Text = Field(description="The recipe and its version, as in dolibarr-22.0.4")
    sha256: Sha256 | None = Field(None, description="The archive's SHA-256, where the recipe has none")
    file: FilePath | None = Field(None, description="A copy of the archive, instead of fetching it")


class Settings(Model):
    """The whole of `crmhost.yaml`."""

    fleet: Text = Field(description="The hosting company, as statements name it")
    recipients: tuple[Recipient, ...] = Field((), description="Who can read the fleet's secrets")
    statement_key: Text | None = Field(None, description="The public key of statements (Ed25519, 64 hex digits)")
    ssh: Ssh = Field(default_factory=Ssh, description="How hosts are reached")
    serve: Serve = Field(default_factory=Serve, description="How `crmhost serve` runs")
    cloud: Cloud | None = Field(None, description="Docker hosts; needed by contracts with target.kind: cloud")
    backups: Backups = Field(default_factory=Backups, description="Where backups are kept")
    archives: tuple[ArchivePin, ...] = Field((), description="Checksums and copies of CRMs' archives")
    billing: BillingSystems = Field(default_factory=BillingSystems, description="The billing systems")
