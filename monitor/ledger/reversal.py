"""Taking a credit back: a row that names the credit, never a change of it."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, select

from contract.model import Micros
from crm.errors import Refused
from monitor.ledger import deliveries
from monitor.ledger.book import add_credit, add_to_outbox, credits_of, extended_seconds, is_reversed, note_count
from monitor.ledger.credit import Note, credit_key
from monitor.store.database import writing
from monitor.store.ledger import outbox


def reverse(engine: Engine, credit: int, why: str, who: str, now: Micros) -> Note:
    """Reverse a credit and put the reversal up for delivery, in one transaction; returns what will be delivered.

    A credit that billing cannot have yet is withdrawn instead of being sent and taken back: its reversal is in the
    ledger all the same, and nothing is delivered of either. That holds for money, and for service time while no later
    note carries an end of the term that counts it in. Raises Refused where the credit is not there, is a reversal
    itself, or was reversed before.
    """
    with writing(engine) as connection:
        found = next((row for row in credits_of(connection) if row.id == credit), None)
        if found is None or found.kind != "credit":
            raise Refused(f"credit {credit}: there is no such credit", "`crmhost credits list` shows their numbers.")
        if is_reversed(connection, credit):
            raise Refused(f"credit {credit} ({found.key}): it was reversed before", "A credit is reversed once.")
        original = found.note
        count = note_count(connection, found.contract)
        left = extended_seconds(connection, found.contract) - (found.owed.seconds or 0)
        note = replace(
            original,
            key=credit_key(found.contract, found.period, "reversal", found.revision),
            kind="reversal",
            number=count + 1,
            reason=why,
            created_at=now,
            extended_seconds=left,
            term_ends=_term_ends(original, left),
            reverses=original.key,
        )
        row = add_credit(connection, note, found.settlement, who, credit)
        alone = found.owed.unit == "money" or original.number == count
        system = connection.execute(select(outbox.c.system).where(outbox.c.credit == credit)).scalar()
        if system is not None and not (alone and deliveries.withdraw(connection, credit, who, now)):
            add_to_outbox(connection, row, note, system)
    return note


def _term_ends(original: Note, extended_seconds_now: int) -> Micros | None:
    """Return the absolute end that is left: the original's, moved by how the extension has changed since."""
    if original.term_ends is None:
        return None
    return original.term_ends + (extended_seconds_now - original.extended_seconds) * 1_000_000
