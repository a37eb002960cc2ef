"""Credits as lines of a CSV file, for a company whose billing is an accountant with a spreadsheet.

The file is written anew beside itself, flushed to the disk and moved into place, so it is whole at every instant. A
key that is in it is never written again. Cells cannot become formulas. It begins with a byte order mark, without which
spreadsheets read Vietnamese, Chinese and Persian names as Latin-1.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract.model import Micros
from contract.moment import instant_text
from monitor.billing.adapter import Capabilities
from monitor.ledger.answers import Answer, Found, NotSent, Receipt, Unknown
from monitor.ledger.credit import Note

COLUMNS = (
    "key",
    "kind",
    "reverses",
    "contract",
    "customer",
    "account",
    "period",
    "from",
    "to",
    "unit",
    "seconds",
    "amount",
    "currency",
    "extended_seconds",
    "term_ends",
    "reason",
    "created_at",
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class FileAdapter:
    """One CSV file; `<file>.lock` beside it keeps two writers apart."""

    path: Path

    @property
    def longest_call(self) -> Micros:
        """Far more than writing a file takes."""
        return 30_000_000

    def capabilities(self) -> Capabilities:
        """Refuse nothing: a line of text expresses everything."""
        return Capabilities()

    def find(self, key: str) -> Found:
        """Look for the line of a key."""
        try:
            with self._locked():
                line = _line_of(self._rows(), key)
        except (OSError, ValueError, csv.Error) as error:
            return Unknown(f"{self.path}: {_why(error)}")
        return None if line is None else Receipt(f"line {line}")

    def send(self, note: Note) -> Answer:
        """Add a credit's line, where its key is not in the file yet."""
        return self._add(note)

    def reverse(self, note: Note) -> Answer:
        """Add a reversal's line; the line that it reverses stays."""
        return self._add(note)

    def _add(self, note: Note) -> Answer:
        try:
            with self._locked():
                rows = self._rows()
                line = _line_of(rows, note.key)
                if line is None:
                    rows.append([safe_cell(cell) for cell in _cells(note)])
                    _replace(self.path, _csv(rows))
                    line = len(rows)
        except (OSError, ValueError, csv.Error) as error:
            # Until the new file is moved into place the old one stands, so a failure before that added nothing.
            return NotSent(f"{self.path}: {_why(error)}")
        return Receipt(f"line {line}")

    def _rows(self) -> list[list[str]]:
        try:
            text = self.path.read_text("utf-8-sig")
        except FileNotFoundError:
            return [list(COLUMNS)]
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        if not rows or tuple(rows[0]) != COLUMNS:
            raise ValueError("its first line is not the one that crmhost writes; move the file away, or mend the line")
        return rows

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def safe_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe goes before what could begin one."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cells(note: Note) -> tuple[str, ...]:
    return (
        note.key,
        note.kind,
        note.reverses or "",
        note.contract,
        note.customer,
        note.account,
        note.period,
        instant_text(note.starts),
        instant_text(note.ends),
        note.owed.unit,
        "" if note.owed.seconds is None else str(note.owed.seconds),
        note.owed.amount or "",
        note.owed.currency or "",
        str(note.extended_seconds),
        "" if note.term_ends is None else instant_text(note.term_ends),
        note.reason,
        instant_text(note.created_at),
    )


def _line_of(rows: list[list[str]], key: str) -> int | None:
    return next((number for number, row in enumerate(rows, start=1) if number > 1 and row and row[0] == key), None)


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _why(error: OSError | ValueError | csv.Error) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
