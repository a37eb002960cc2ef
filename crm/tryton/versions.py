"""Tryton's versions: a schema belongs to a series, and bug fixes of a series never change it. Pure."""

from __future__ import annotations

from crm.errors import Refused

SERIES = ((7, 8), (8, 0))
"""The series between which Tryton's list of what must be done by hand was read: for these modules it is nothing."""


def schema(version: str) -> str:
    """Return the series of a version: `8.0` of `8.0.12`; raises Refused for a text that is no version."""
    major, minor, _ = _numbers(version)
    return f"{major}.{minor}"


def path(old: str, new: str) -> tuple[str, ...]:
    """Return the versions to step through from `old`, ending in `new`.

    Raises Refused for a way back, and for a series that nobody has tried: its update may need work by hand before.
    """
    if _numbers(new) < _numbers(old):
        raise Refused(
            f"Tryton {old} → {new}: old code never runs on a newer database", f"restore a backup made by Tryton {new}"
        )
    if schema(old) != schema(new) and not {_numbers(old)[:2], _numbers(new)[:2]} <= set(SERIES):
        raise Refused(
            f"Tryton {old} → {new}: this upgrade has not been tried",
            f"those between {', '.join(f'{major}.{minor}' for major, minor in SERIES)} have; others by hand, with"
            " Tryton's own list of what to do before and after",
        )
    return (new,)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise Refused(f"Tryton {version!r} is no version", "write three numbers, such as 8.0.12")
    return tuple(map(int, parts))
