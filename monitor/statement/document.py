"""What a statement says and how it becomes one signed file.

The file is one canonical object `{"signature": …, "statement": {…}}`. The signature is over the canonical bytes of the
inner object. Three files travel beside it and are named in it by their digests: the contract as it stood
(`contract.yaml`), the calendar that it was settled by (`calendar.json`) and the evidence (`evidence.jsonl`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


def compose(
    header: Header, figures: Mapping[str, Json], credit: Mapping[str, Json] | None, files: Files
) -> dict[str, Json]:
    """Return the statement, unsigned.

    `figures` is the object of `crmhost sla --json`, unchanged; `credit` is the ledger's row (key, unit, amount and
    what became of the term), or None where nothing is owed.
    """
    return {
        "version": VERSION,
        "contract": header.contract,
        "customer": header.customer,
        "language": header.language,
        "period": header.period,
        "revision": header.revision,
        "figures": dict(figures),
        "credit": None if credit is None else dict(credit),
        "digests": files.digests(),
        "chain": {"sequence": header.sequence, "previous": header.previous},
        "issued_at": instant_text(header.issued_at),
        "approved_by": header.approved_by,
    }


def sign(statement: Mapping[str, Json], key: SigningKey) -> bytes:
    """Return the bytes of the signed file. The key's id goes into what is signed."""
    signed: dict[str, Json] = {**statement, "key": key_id(key.public)}
    return canonical({"signature": key.sign(canonical(signed)), "statement": signed})
