"""Statements out of the ledger, and as a folder of files that verifies without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from contract.model import Micros
from crm.errors import CrmhostError
from monitor.ledger.book import document
from monitor.statement.document import CALENDAR_FILE, CONTRACT_FILE, EVIDENCE_FILE, STATEMENT_FILE, Files
from monitor.store.ledger import settlements, statements


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement as it is kept: its signed bytes, its place in the chain, and the digests of its files."""

    contract: str
    period: str
    revision: int
    sequence: int
    raw: bytes
    digest: str
    previous: str | None
    issued_at: Micros
    settlement: int
    contract_digest: str
    calendar_digest: str
    evidence_digest: str


def kept_statements(connection: Connection, contract: str | None = None) -> Iterator[Kept]:
    """Yield the statements of a contract, or of all, in the order of their chains."""
    query = (
        select(
            statements.c.contract,
            statements.c.period,
            statements.c.revision,
            statements.c.sequence,
            statements.c.body.label("raw"),
            statements.c.digest,
            statements.c.previous,
            statements.c.issued_at,
            statements.c.settlement,
            settlements.c.contract_digest,
            settlements.c.calendar_digest,
            settlements.c.evidence_digest,
        )
        .join(settlements, settlements.c.id == statements.c.settlement)
        .order_by(statements.c.contract, statements.c.sequence)
    )
    if contract is not None:
        query = query.where(statements.c.contract == contract)
    for row in connection.execute(query):
        yield Kept(**row._mapping)  # noqa: SLF001  # the public name of a row's mapping begins with `_`


def find_statement(connection: Connection, contract: str, period: str, revision: int | None = None) -> Kept | None:
    """Return the newest statement of a period, or that of a revision; None where there is none."""
    found = None
    for kept in kept_statements(connection, contract):
        if kept.period == period and revision in {None, kept.revision}:
            found = kept
    return found


def files_of(connection: Connection, kept: Kept) -> Files:
    """Return what travels beside a statement."""
    return Files(
        contract=document(connection, kept.contract_digest),
        calendar=document(connection, kept.calendar_digest),
        evidence=document(connection, kept.evidence_digest),
    )


def export(connection: Connection, kept: Kept, folder: Path) -> Path:
    """Write a statement and what travels beside it into a folder, and return the statement's path.

    Files that are there already with the same content are left alone; raises CrmhostError where one has another
    content, or cannot be written.
    """
    files = files_of(connection, kept)
    contents = {
        CONTRACT_FILE: files.contract,
        CALENDAR_FILE: files.calendar,
        EVIDENCE_FILE: files.evidence,
        STATEMENT_FILE: kept.raw,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            _write(folder / name, content)
    except OSError as error:
        raise CrmhostError(
            f"{folder}: the statement cannot be written ({error.strerror})", "Name a folder that is writable."
        ) from error
    return folder / STATEMENT_FILE


def _write(path: Path, content: bytes) -> None:
    if path.exists():
        if path.read_bytes() != content:
            raise CrmhostError(f"{path}: it is there already, with another content", "Name an empty folder.")
        return
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
