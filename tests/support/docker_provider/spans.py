"""Lengths of time as the engine counts them (nanoseconds) and as Go writes them (`1m30s`)."""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)")


def nanoseconds(text: str) -> int:
    """Read `1m30s`, `0.5s`; what cannot be read is 0, as with upstream."""
    return round(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def written(length: int) -> str:
    """Write nanoseconds as Go does: 60 seconds are `1m0s`, half a second is `500ms`."""
    if length < _UNITS["s"]:
        for unit in ("ms", "µs"):
            if length >= _UNITS[unit]:
                return f"{length / _UNITS[unit]:g}{unit}"
        return f"{length}ns" if length else "0s"
    minutes, rest = divmod(length, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / _UNITS['s']:g}s"
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds
