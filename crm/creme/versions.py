"""Creme's versions: a schema belongs to a minor version, and upgrades do not skip one. Pure."""

from __future__ import annotations

from itertools import pairwise

from crm.errors import Refused

MINORS = ((2, 4), (2, 5), (2, 6), (2, 7), (2, 8))
"""The minor versions in the order in which a database passes through them; patch releases keep the schema."""


def schema(version: str) -> str:
    """Return the schema's name of a version: `2.8` of `2.8.6`; raises Refused for a text that is no version."""
    major, minor = _minor(version)
    return f"{major}.{minor}"


def path(old: str, new: str) -> tuple[str, ...]:
    """Return the versions to step through from `old`, ending in `new`.

    Raises Refused for a way back, and for a step over a minor version: its migrations are not in the new code.
    """
    before, after = _minor(old), _minor(new)
    if _numbers(new) < _numbers(old):
        raise Refused(
            f"Creme {old} → {new}: old code never runs on a newer database", f"restore a backup made by Creme {new}"
        )
    if before != after and (before, after) not in pairwise(MINORS):
        steps = [f"{major}.{minor}" for major, minor in MINORS if before < (major, minor) < after]
        raise Refused(
            f"Creme {old} → {new} skips a minor version",
            f"upgrade through {', '.join(steps) or 'the versions between'} first, by hand",
        )
    return (new,)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise Refused(f"Creme {version!r} is no version", "write three numbers, such as 2.8.6")
    return tuple(map(int, parts))


def _minor(version: str) -> tuple[int, int]:
    major, minor, _ = _numbers(version)
    return major, minor
