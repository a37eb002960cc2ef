"""Kinds that only look at a host: what they see is a fact about it, and no batch ever makes it otherwise. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from crm.plan import Change
from playbooks.kind import Act, Row
from playbooks.kinds.places import malformed

T = TypeVar("T")
KIB = 1024
_DF = re.compile(r"\s(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)\s")


class Looks:
    """The half of such a kind that decides: it is what it is."""

    __slots__ = ()

    def diff(self, key: str, want: object, seen: object) -> Change | None:  # noqa: ARG002 - the shape of a kind
        """Return None: nothing ever differs."""
        return None

    def act(self, key: str, want: object, seen: object) -> Act:
        """Raise: nothing ever differs."""
        raise NotImplementedError(key, want, seen)


def condition(kind: str, rows: Sequence[Row], read: Callable[[Mapping[str, Sequence[Row]]], T]) -> Mapping[str, T]:
    """Return what `read` makes of one key's rows KEY WHAT VALUE…; it is given the values, by what they are.

    Raises HostError for rows that the fragment cannot have meant.
    """
    said: dict[str, list[Row]] = {}
    for row in rows:
        if len(row) < 2:
            raise malformed(kind, row)
        said.setdefault(row[1], []).append(row[2:])
    try:
        return {rows[0][0]: read(said)}
    except (LookupError, ValueError) as error:
        raise malformed(kind, rows[0] if rows else ()) from error


def free(line: str, unit: int) -> int | None:
    """Return what is free by a line of `df -P`; None where it says nothing, as of a file system without a bound."""
    found = _DF.search(f" {line} ")
    return None if found is None or found[1] == "0" else max(0, int(found[3])) * unit
