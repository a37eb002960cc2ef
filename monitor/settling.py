"""Settling: every period that has ended becomes a settlement, a credit, a delivery and a signed statement, at once.

1. A period is due once it has ended and `grace` for late evidence has passed.
2. Its evidence is collected once, and its figures are computed from exactly the bytes that are kept.
3. Where too little is known, it is left until somebody accepts it by name.
4. Settlement, credit, outbox row and statement are written in one transaction. The unique keys of the ledger decide
   between two runs; the second one finds that it is already so.
5. Terms that were settled are never edited: a contract file that says otherwise is a problem, not a new settlement.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from contract.amend import for_period, terms_digest
from contract.model import Contract, Micros
from contract.period import Period
from crm.errors import CrmhostError, Refused
from monitor import evidence
from monitor.billing.adapter import Now
from monitor.ledger import book
from monitor.ledger.credit import Note, Owed, credit_key
from monitor.periods import periods_ended, term_end
from monitor.sla.recompute import needed_since
from monitor.statement import recompute
from monitor.statement.calendar_file import calendar_file
from monitor.statement.canonical import Json, canonical, digest
from monitor.statement.document import Files, Header, compose, sign
from monitor.statement.signature import SigningKey
from monitor.store.database import reading, writing
from monitor.store.evidence import evidence_of

SECOND: Micros = 1_000_000


@dataclass(frozen=True, slots=True)
class Agreed:
    """A contract and the bytes of its file, which travel with every statement."""

    contract: Contract
    raw: bytes


@dataclass(frozen=True, slots=True)
class Settling:
    """What settling needs of the world: the database, the operator's key, the clock, the grace (microseconds)."""

    engine: Engine
    key: SigningKey
    now: Now
    grace: Micros = 3_600 * SECOND


@dataclass(frozen=True, slots=True)
class Settled:
    """A period that was settled now; `credit` is the key of what is owed, None where nothing is."""

    contract: str
    period: str
    revision: int
    credit: str | None
    figures: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Left:
    """A period that was not settled, and why. `problem`: a person must change something; otherwise accept it."""

    contract: str
    period: str
    reason: str
    problem: bool = False


@dataclass(frozen=True, slots=True)
class _Draft:
    """One period, computed and not yet written."""

    agreed: Contract
    period: Period
    files: Files
    figures: Mapping[str, Json]
    terms: str
    ends: Micros | None
    revision: int = 1


def settle_due(
    settling: Settling,
    contracts: Iterable[Agreed],
    accept: str | None = None,
    only: str | None = None,
    skip: Container[tuple[str, str]] = (),
) -> Iterator[Settled | Left]:
    """Settle every period that is due, in order; yields what was settled and what was left, not what is already so.

    `accept` names the person who accepts figures that need one; `only` is a period's label, all others are passed
    over. `skip` holds (contract, period) pairs that are not looked at: what was left a moment ago costs as much to
    compute again as it did then. May be killed at any instant, and run twice at once.
    """
    for agreed in contracts:
        with reading(settling.engine) as connection:
            known = {one.period: one for one in book.latest_settlements(connection, agreed.contract.id)}
        for period in periods_ended(agreed.contract, settling.now() - settling.grace):
            wanted = only in {None, period.label} and (agreed.contract.id, period.label) not in skip
            outcome = _outcome(settling, agreed, period, known.get(period.label), accept) if wanted else None
            if outcome is not None:
                yield outcome


def settle_again(settling: Settling, agreed: Agreed, label: str, who: str) -> Settled | Left:
    """Settle a period anew as its next revision, once the credit of the last one was reversed.

    Raises Refused where the period was never settled, or its credit still stands.
    """
    contract = agreed.contract
    with reading(settling.engine) as connection:
        last = next((one for one in book.latest_settlements(connection, contract.id) if one.period == label), None)
        if last is None:
            raise Refused(f"{contract.id} {label}: it was never settled", f"Run `crmhost settle --period {label}`.")
        credit = book.credit_of_settlement(connection, last.id)
        if credit is not None and not book.is_reversed(connection, credit.id):
            raise Refused(
                f"{contract.id} {label}: its credit {credit.key} still stands",
                f"Reverse it first: `crmhost credits reverse {credit.id}`.",
            )
    draft = replace(_draft(settling, agreed, Period(label, last.starts, last.ends)), revision=last.revision + 1)
    settled = _write(settling, draft, who)
    return settled or Left(contract.id, label, "somebody else settled it again at the same moment")


def _outcome(
    settling: Settling, agreed: Agreed, period: Period, known: book.Settlement | None, accept: str | None
) -> Settled | Left | None:
    """Settle one period, or say why not; None where it is already so."""
    if known is not None:
        return _edited(agreed, period, known)
    try:
        return _settle(settling, agreed, period, accept)
    except CrmhostError as error:
        return Left(agreed.contract.id, period.label, str(error), problem=True)


def _edited(agreed: Agreed, period: Period, settled: book.Settlement) -> Left | None:
    """Say so where the file now has other terms for a period than those that it was settled by."""
    if settled.contract_digest == digest(agreed.raw) or settled.terms_digest == terms_digest(agreed.contract, period):
        return None
    reason = (
        "its terms were settled, and the contract file now says something else of them; "
        "put the old terms back and write the new ones as an amendment with its date"
    )
    return Left(agreed.contract.id, period.label, reason, problem=True)


def _settle(settling: Settling, agreed: Agreed, period: Period, accept: str | None) -> Settled | Left | None:
    draft = _draft(settling, agreed, period)
    doubts = draft.figures["needs_approval"]
    if not doubts:
        return _write(settling, draft, None)
    if accept is None:
        return Left(agreed.contract.id, period.label, f"it must be accepted by a person: {_doubts(doubts)}")
    return _write(settling, draft, accept)


def _draft(settling: Settling, agreed: Agreed, period: Period) -> _Draft:
    contract = agreed.contract
    terms = for_period(contract, period)
    margin = 0 if terms.sla is None else terms.sla.ignore_shorter_than + terms.sla.bridge_unknown
    with reading(settling.engine) as connection:
        found = evidence_of(connection, contract.id, period.start, period.end, margin)
        needed = needed_since(contract, found, period.label)
        if needed < period.start:
            found = evidence_of(connection, contract.id, needed, period.end, margin)
    since = min((span.start for span in found.spans), default=period.start)
    files = Files(
        contract=agreed.raw,
        calendar=calendar_file(contract, period, min(since, period.start)),
        evidence=evidence.canonical(found),
    )
    return _Draft(
        agreed=terms,
        period=period,
        files=files,
        figures=recompute.figures(files, period.label),
        terms=terms_digest(contract, period),
        ends=term_end(contract, settling.now()),
    )


def _write(settling: Settling, draft: _Draft, accepted_by: str | None) -> Settled | None:
    """Write one period, all of it or nothing; None where its revision is there already."""
    now = settling.now()
    try:
        with writing(settling.engine) as connection:
            settlement = _add_settlement(connection, draft, now, accepted_by)
            note = _add_credit(connection, draft, settlement, accepted_by or "settle")
            _add_statement(connection, draft, settlement, note, settling.key)
    except IntegrityError:
        with reading(settling.engine) as connection:
            if not book.has_revision(connection, draft.agreed.id, draft.period.label, draft.revision):
                raise
        return None
    key = None if note is None else note.key
    return Settled(draft.agreed.id, draft.period.label, draft.revision, key, draft.figures)


def _add_settlement(connection: Connection, draft: _Draft, now: Micros, accepted_by: str | None) -> book.Settlement:
    files = draft.files
    digests = {name: str(said) for name, said in files.digests().items()}
    for name, body in (("contract", files.contract), ("calendar", files.calendar), ("evidence", files.evidence)):
        book.add_document(connection, digests[name], body)
    settlement = book.Settlement(
        contract=draft.agreed.id,
        period=draft.period.label,
        revision=draft.revision,
        starts=draft.period.start,
        ends=draft.period.end,
        figures=canonical(draft.figures).decode(),
        terms_digest=draft.terms,
        contract_digest=digests["contract"],
        calendar_digest=digests["calendar"],
        evidence_digest=digests["evidence"],
        settled_at=now,
        approved_by=accepted_by,
    )
    return replace(settlement, id=book.add_settlement(connection, settlement))


def _add_credit(connection: Connection, draft: _Draft, settlement: book.Settlement, who: str) -> Note | None:
    owed = _owed(draft.figures["credit"])
    if owed is None:
        return None
    contract, billing = draft.agreed, draft.agreed.billing
    extended = book.extended_seconds(connection, contract.id) + (owed.seconds or 0)
    moves = owed.unit == "service-time" and draft.ends is not None
    note = Note(
        key=credit_key(contract.id, draft.period.label, "credit", draft.revision),
        kind="credit",
        contract=contract.id,
        customer=contract.customer.name,
        account="" if billing is None else billing.account,
        period=draft.period.label,
        starts=draft.period.start,
        ends=draft.period.end,
        revision=draft.revision,
        number=book.note_count(connection, contract.id) + 1,
        owed=owed,
        reason="availability below the target",
        created_at=settlement.settled_at,
        extended_seconds=extended,
        term_ends=draft.ends + extended * SECOND if moves and draft.ends is not None else None,
    )
    credit = book.add_credit(connection, note, settlement.id, who, None)
    if billing is not None:
        book.add_to_outbox(connection, credit, note, billing.system)
    return note


def _add_statement(
    connection: Connection, draft: _Draft, settlement: book.Settlement, note: Note | None, key: SigningKey
) -> None:
    chain = book.chain_end(connection, draft.agreed.id)
    header = Header(
        contract=draft.agreed.id,
        customer=draft.agreed.customer.name,
        language=draft.agreed.customer.language,
        period=draft.period.label,
        revision=draft.revision,
        sequence=chain.sequence + 1,
        previous=chain.digest,
        issued_at=settlement.settled_at,
        approved_by=settlement.approved_by,
    )
    raw = sign(compose(header, draft.figures, note, draft.files), key)
    book.add_statement(connection, settlement, raw, digest(raw), chain)


def _owed(credit: Json) -> Owed | None:
    if not isinstance(credit, Mapping):
        return None
    if credit["unit"] == "service-time":
        return Owed(unit="service-time", seconds=int(str(credit["seconds"])))
    return Owed(unit="money", amount=str(credit["amount"]), currency=str(credit["currency"]))


def _doubts(doubts: Json) -> str:
    said = []
    for doubt in doubts if isinstance(doubts, (list, tuple)) else ():
        if doubt["why"] == "coverage":
            said.append(f"less than {doubt['minimum']} of it was measured")
        else:
            said.append(f"nothing is known from {doubt['from']} to {doubt['to']}, between down and down")
    return "; ".join(said)
