"""A dump of a PostgreSQL database as psql prints it: one line of counts, pg_dump's custom format, and an end mark.

`SCRIPT` makes it: all three are of one snapshot. psql does not tell how a command of the shell ended, so the mark is
there only when the dump is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from crm.bundle import PIECE
from crm.sql import script

SCRIPT = script("snapshot") + script("count") + script("dump")
_WHOLE = b"crmhost: whole\n"


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of every table, as `schema.table`, and the server's version."""

    tables: Mapping[str, int]
    server: str


class DatabaseDump:
    """A dump that is under way. `counted` is of the same snapshot as what `pieces` yields."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.whole = False
        line = source.readline()
        self.counted = counted(line) if line else Counted({}, "")

    def pieces(self) -> Iterator[bytes]:
        """Yield the dump; `whole` tells afterwards whether it came to its end."""
        held = b""
        while piece := self._source.read(PIECE):
            held += piece
            yield held[: -len(_WHOLE)]
            held = held[-len(_WHOLE) :]
        self.whole = held == _WHOLE


def counted(line: bytes) -> Counted:
    """Return what the counting script printed; COPY doubles each backslash. Raises ValueError for anything else."""
    found = json.loads(line.replace(rb"\\", b"\\"))
    return Counted(found["tables"], f"PostgreSQL {found['server']}")
