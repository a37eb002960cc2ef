"""Dolibarr's versions: a schema belongs to a major version, and each step of an upgrade goes to the next one. Pure."""

from __future__ import annotations

from crm.errors import Refused

TRIED = (16, 22)
"""The oldest and the newest major version between which upgrades were tried."""
STEPS = tuple(range(TRIED[0] + 1, TRIED[1] + 1))
"""The major versions that a database is brought to, in order; the newest code has the steps of all of them."""


def schema(version: str) -> str:
    """Return the schema's name of a version: `22.0` of `22.0.4`; raises Refused for a text that is no version."""
    major, minor, _ = _numbers(version)
    return f"{major}.{minor}"


def path(old: str, new: str) -> tuple[str, ...]:
    """Return the versions to step through from `old`, ending in `new`: none between, see `STEPS`.

    Raises Refused for a way back, and for an upgrade that nobody has tried.
    """
    before, after = _numbers(old), _numbers(new)
    if after < before:
        raise Refused(
            f"Dolibarr {old} → {new}: old code never runs on a newer database",
            f"restore a backup made by Dolibarr {new}",
        )
    oldest, newest = TRIED
    if before[:2] != after[:2] and not oldest <= before[0] <= after[0] <= newest:
        raise Refused(
            f"Dolibarr {old} → {new}: this upgrade has not been tried",
            f"those between {oldest} and {newest} have; others by hand, with Dolibarr's own pages",
        )
    return (new,)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise Refused(f"Dolibarr {version!r} is no version", "write three numbers, such as 22.0.4")
    return tuple(map(int, parts))
