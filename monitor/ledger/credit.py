"""A credit as billing sees it: what is owed, under a key that never changes, and what became of the term."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Literal

from contract.model import Micros

Kind = Literal["credit", "reversal"]

_SAFE = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Owed:
    """What a settlement owes: whole `seconds` of service time, or an exact decimal text of one currency."""

    unit: Literal["service-time", "money"]
    seconds: int | None = None
    amount: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """One credit, or the reversal of one, as it is delivered: complete, and the same at every attempt.

    `key` names it for ever; `reverses` is the key of the credit that a reversal takes back. `number` counts the
    contract's notes from 1, so a receiver can tell which absolute date is the newest. `extended_seconds` is all the
    service time that the contract has been given so far, this note included; `term_ends` the *absolute* instant at
    which its term now ends, None for a contract without an end or a note of money.
    """

    key: str
    kind: Kind
    contract: str
    customer: str
    account: str
    period: str
    starts: Micros
    ends: Micros
    revision: int
    number: int
    owed: Owed
    reason: str
    created_at: Micros
    extended_seconds: int
    term_ends: Micros | None = None
    reverses: str | None = None


def credit_key(contract: str, period: str, kind: Kind, revision: int) -> str:
    """Return the key of a ledger row: `crd_acme_2026-10_1`, `rev_…` for a reversal.

    Letters, digits, `-` and `_` only, because keys travel in headers, addresses and spreadsheets. A part that holds
    anything else (the instant that names a cycle) is spelled without it and told apart by a digest.
    """
    prefix = "crd" if kind == "credit" else "rev"
    return f"{prefix}_{_safe(contract)}_{_safe(period)}_{revision}"


def _safe(part: str) -> str:
    if _SAFE.fullmatch(part):
        return part
    mark = hashlib.sha256(part.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9-]', '', part)}-{mark}"


def note_to_text(note: Note) -> str:
    """Spell a note for the outbox."""
    return json.dumps(asdict(note), ensure_ascii=False, sort_keys=True)


def note_from_text(text: str) -> Note:
    """Read what `note_to_text` wrote."""
    fields = json.loads(text)
    return Note(**{**fields, "owed": Owed(**fields["owed"])})
