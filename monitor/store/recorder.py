"""What a vantage learns, piece by piece, as the few rows that must be written. No I/O.

Each contract has one last span. A piece that makes it longer changes nothing in the database as long as the span
runs; only a new span, the end of one, and the first failure that puts one in doubt are rows to write.
"""

from __future__ import annotations

from dataclasses import dataclass

from contract.model import Micros
from monitor.span import Span, lengthened
from monitor.store.spans import Batch, Row


@dataclass(frozen=True, slots=True)
class _Tail:
    span: Span
    pace: Micros | None


class Recorder:
    """The last span of every contract that one vantage watches, and what of it is not written yet."""

    def __init__(self, vantage: str) -> None:
        self._vantage = vantage
        self._tails: dict[str, _Tail] = {}
        self._rows: dict[tuple[str, Micros], Row] = {}
        self._beats: dict[Micros, Micros] = {}

    @property
    def waiting(self) -> bool:
        """Whether there are rows to write, beyond a heartbeat."""
        return bool(self._rows)

    def take(self, contract: str, pieces: tuple[Span, ...], pace: Micros | None) -> None:
        """Take in the pieces that a result made known; `pace` is None where the last span does not run on.

        A span runs on while its state is established and no failure puts it in doubt.
        """
        for piece in pieces:
            self._append(contract, piece)
        tail = self._tails.get(contract)
        if tail is not None and tail.pace != pace:
            self._keep(contract, _Tail(tail.span, pace))

    def beat(self) -> Batch:
        """Hand over what is to be written, and how far each pace's running spans are known now."""
        self._beats = {}
        for tail in self._tails.values():
            if tail.pace is not None:
                self._reach(tail.pace, tail.span.end)
        return self.drain()

    def drain(self) -> Batch:
        """Hand over what is to be written, and how far each pace's running spans were known at the last beat.

        A span that began to run since then, and is known less far, holds its pace back until the next one.
        """
        rows = {key: self._current(row) for key, row in self._rows.items()}
        for row in rows.values():
            if row.pace is not None:
                self._reach(row.pace, row.span.end)
        self._rows = {}
        return Batch(self._vantage, rows, dict(self._beats))

    def _current(self, row: Row) -> Row:
        """Take what has been added to a row's span since it was put down."""
        tail = self._tails[row.contract]
        return Row(row.contract, tail.span, tail.pace) if tail.span.start == row.span.start else row

    def _reach(self, pace: Micros, until: Micros) -> None:
        self._beats[pace] = min(self._beats.get(pace, until), until)

    def _append(self, contract: str, piece: Span) -> None:
        tail = self._tails.get(contract)
        longer = lengthened(tail.span, piece) if tail is not None else None
        if tail is not None and longer is not None:
            if tail.pace is None:
                self._keep(contract, _Tail(longer, None))
            else:
                self._tails[contract] = _Tail(longer, tail.pace)
            return
        if tail is not None and tail.pace is not None:
            self._keep(contract, _Tail(tail.span, None))
        self._keep(contract, _Tail(piece, None))

    def _keep(self, contract: str, tail: _Tail) -> None:
        self._tails[contract] = tail
        self._rows[contract, tail.span.start] = Row(contract, tail.span, tail.pace)
