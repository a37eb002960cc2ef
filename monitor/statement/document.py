"""What a statement says and how it becomes one signed file.

The file is one canonical object `{"signature": …, "statement": {…}}`. The signature is over the canonical bytes of the
inner object. Three files travel beside it and are named in it by their digests: the contract as it stood
(`contract.yaml`), the calendar that it was settled by (`calendar.json`) and the evidence (`evidence.jsonl`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from contract.model import Micros
from contract.moment import instant_text
from monitor.statement.canonical import Json, canonical, digest
from monitor.statement.signature import SigningKey, key_id

VERSION = 1
STATEMENT_FILE = "statement.json"
CONTRACT_FILE = "contract.yaml"
CALENDAR_FILE = "calendar.json"
EVIDENCE_FILE = "evidence.jsonl"


@dataclass(frozen=True, slots=True)
class Files:
    """What travels beside a statement: everything that its figures follow from."""

    contract: bytes
    calendar: bytes
    evidence: bytes

    def digests(self) -> dict[str, Json]:
        """Return the digest of each file, by the names that a statement uses."""
        return {
            "contract": digest(self.contract),
            "calendar": digest(self.calendar),
            "evidence": digest(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class Header:
    """Whose statement it is, of what, and where it stands in the contract's chain.

    `sequence` counts a contract's statements from 1; `previous` is the digest of the file before it, None for the
    first. `approved_by` names who accepted a settlement that needed a person. `issued_at` is an instant.
    """

    contract: str
    customer: str
    language: str
    period: str
    revision: int
    sequence: int
    previous: str | None
    issued_at: Micros
    approved_by: str | None = None


class Credited(Protocol):
    """What a statement says of the ledger's row: its key, the service time given so far, the term's new end."""

    @property
    def key(self) -> str:
        """The key under which billing gets it."""

    @property
    def extended_seconds(self) -> int:
        """All the service time that the contract has been given, this credit included."""

    @property
    def term_ends(self) -> Micros | None:
        """The absolute instant at which the term now ends; None where it has no end, or the credit is money."""


def compose(header: Header, figures: Mapping[str, Json], credit: Credited | None, files: Files) -> dict[str, Json]:
    """Return the statement, unsigned.

    `figures` is the object of `crmhost sla --json`, unchanged; `credit` is what the ledger made of it, None where
    nothing is owed.
    """
    return {
        "version": VERSION,
        "contract": header.contract,
        "customer": header.customer,
        "language": header.language,
        "period": header.period,
        "revision": header.revision,
        "figures": dict(figures),
        "credit": None if credit is None else _credit(credit, figures),
        "digests": files.digests(),
        "chain": {"sequence": header.sequence, "previous": header.previous},
        "issued_at": instant_text(header.issued_at),
        "approved_by": header.approved_by,
    }


def _credit(credit: Credited, figures: Mapping[str, Json]) -> dict[str, Json]:
    owed = figures["credit"]
    said = {name: value for name, value in owed.items() if name != "unrounded"} if isinstance(owed, Mapping) else {}
    return {
        **said,
        "key": credit.key,
        "extended_seconds": credit.extended_seconds,
        "term_ends": None if credit.term_ends is None else instant_text(credit.term_ends),
    }


def sign(statement: Mapping[str, Json], key: SigningKey) -> bytes:
    """Return the bytes of the signed file. The key's id goes into what is signed."""
    signed: dict[str, Json] = {**statement, "key": key_id(key.public)}
    return canonical({"signature": key.sign(canonical(signed)), "statement": signed})
