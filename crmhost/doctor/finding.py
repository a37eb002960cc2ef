"""What doctor says of one thing."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that was looked at; `remedy` is empty where it is as it should be."""

    what: str
    found: str
    remedy: str = ""


def amount(size: int) -> str:
    """Return a number of bytes for people."""
    mib = size >> 20
    return f"{mib} MiB" if mib < 10_000 else f"{mib >> 10} GiB"
