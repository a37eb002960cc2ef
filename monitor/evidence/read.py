"""JSON Lines of evidence become values: quickly where lines have the usual form, strictly wherever they have not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from crm.errors import CrmhostError
from monitor.evidence.model import CustomerCause, Evidence, Record, Window
from monitor.evidence.shapes import Shapes
from monitor.evidence.strict import MAX_LINE, EvidenceError, NotEvidence, Problem, record_of
from monitor.span import Span

MAX_BYTES = 512 * 1024 * 1024
"""Bytes of all evidence of one settlement: some millions of spans."""

_BLOCK = 256 * 1024


def parse(raw: bytes, name: str) -> Evidence:
    """Read evidence from bytes; `name` stands for the file in errors. Raises EvidenceError with every problem."""
    return _parse(io.BytesIO(raw), name)


def read(path: Path) -> Evidence:
    """Read an evidence file block by block.

    Raises EvidenceError with every problem of the file, CrmhostError where it cannot be read at all.
    """
    try:
        with path.open("rb") as opened:
            return _parse(opened, str(path))
    except OSError as error:
        raise CrmhostError(
            f"{path}: cannot be read ({error.strerror})", "Name a file of evidence (JSON Lines)."
        ) from error


def _parse(opened: BinaryIO, name: str) -> Evidence:
    spans: list[Span] = []
    others: list[Record] = []
    problems: list[Problem] = []
    shapes = Shapes()
    size = lines = 0
    for block in _blocks(opened):
        size += len(block)
        if size > MAX_BYTES:
            problems.append(Problem(lines + 1, f"more than {MAX_BYTES} bytes", "split the evidence"))
            break
        quick = _quick(block, shapes)
        if quick is None:
            others += _strict(block, lines, problems)
        else:
            spans += quick[0]
            others += quick[1]
        lines += block.count(b"\n")
    if problems:
        raise EvidenceError(name, tuple(problems))
    return Evidence(
        tuple(spans + [one for one in others if isinstance(one, Span)]),
        tuple(one for one in others if isinstance(one, Window)),
        tuple(one for one in others if isinstance(one, CustomerCause)),
    )


def _blocks(opened: BinaryIO) -> Iterator[bytes]:
    """Give the file in blocks of whole lines; the rest of a line that is far too long is left out."""
    while block := opened.read(_BLOCK):
        tail = b"" if block.endswith(b"\n") else opened.readline(_BLOCK)
        yield block + tail if len(tail) < _BLOCK or tail.endswith(b"\n") else block + tail + b"\n"
        while len(tail) == _BLOCK and not tail.endswith(b"\n"):
            tail = opened.readline(_BLOCK)


def _quick(block: bytes, shapes: Shapes) -> tuple[list[Span], list[Record]] | None:
    """Read a block without a word about errors: spans by their shapes, exclusions strictly; None where that fails."""
    try:
        text = block.decode()
        if '"exclusion"' not in text:
            spans = shapes.spans_of(text)
            return None if spans is None else (spans, [])
        lines = text.split("\n")
        exclusions = [record_of(line) for line in lines if '"exclusion"' in line]
    except (UnicodeDecodeError, NotEvidence):
        return None
    spans = shapes.spans_of("\n".join(line for line in lines if '"exclusion"' not in line))
    return None if spans is None else (spans, exclusions)


def _strict(block: bytes, before: int, problems: list[Problem]) -> list[Record]:
    """Read a block line by line, where `before` lines came before it; note every problem."""
    records: list[Record] = []
    for number, raw in enumerate(block.split(b"\n"), start=before + 1):
        if len(raw) > MAX_LINE:
            problems.append(Problem(number, f"a line of more than {MAX_LINE} bytes", "write one record a line"))
        elif raw and not raw.isspace():
            records += _record(raw, number, problems)
    return records


def _record(raw: bytes, number: int, problems: list[Problem]) -> list[Record]:
    try:
        return [record_of(raw.decode())]
    except UnicodeDecodeError as error:
        problems.append(Problem(number, f"byte {raw[error.start]:#04x} is no UTF-8", "write the file in UTF-8"))
    except NotEvidence as error:
        problems += [Problem(number, found, remedy) for found, remedy in error.problems]
    return []
