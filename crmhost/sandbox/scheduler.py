"""What cron does, for one crontab: which of its lines are due at a minute. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@dataclass(frozen=True, slots=True)
class Due:
    """A command to start with `sh -c`, what it reads, and what its crontab adds to the environment."""

    command: str
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def due(crontab: str, minute: datetime) -> tuple[Due, ...]:
    """Return the commands of the crontab that start in this minute; lines that cron would not understand are left out.

    As in cron: an unescaped `%` ends the command and begins its input, `NAME=value` lines set the environment of the
    lines after them, and where both days are restricted either one is enough.
    """
    environment: dict[str, str] = {}
    found: list[Due] = []
    for raw in crontab.splitlines():
        line = raw.strip()
        if not line or line.startswith(("#", "@")):
            continue
        name, equals, value = line.partition("=")
        if equals and name.strip().isidentifier():
            environment[name.strip()] = value.strip().strip("\"'")
            continue
        words = line.split(None, 5)
        if len(words) == 6 and _matches(words[:5], minute):
            command, stdin = _split(words[5])
            found.append(Due(command, stdin, dict(environment)))
    return tuple(found)


def _matches(fields: list[str], minute: datetime) -> bool:
    weekday = minute.isoweekday() % 7
    values = (minute.minute, minute.hour, minute.day, minute.month, weekday)
    try:
        hits = [value in _values(text, bounds) for text, value, bounds in zip(fields, values, _RANGES, strict=True)]
        hits[4] = hits[4] or (weekday == 0 and 7 in _values(fields[4], _RANGES[4]))
    except ValueError:
        return False
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return all(hits[:2]) and hits[3] and (hits[2] or hits[4] if either else hits[2] and hits[4])


def _values(text: str, bounds: tuple[int, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        low, high = bounds if span == "*" else (int(first), int(last) if dash else bounds[1] if step else int(first))
        found.update(range(low, high + 1, int(step or "1")))
    return frozenset(found)


def _split(text: str) -> tuple[str, str]:
    """Part the command from its input at the first `%` without a backslash; later ones are newlines."""
    parts = text.replace("\\%", "\0").split("%")
    restored = [part.replace("\0", "%") for part in parts]
    return restored[0], "\n".join(restored[1:])
