"""The one place where shell text is built and quoted. Everything else handles `Sh` values."""

from __future__ import annotations

import shlex
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString


@dataclass(frozen=True, slots=True)
class Sh:
    """A fragment of POSIX shell in which every value is quoted already."""

    text: str


def sh(template: LiteralString, **values: str | int | Sh | Sequence[str]) -> Sh:
    """Return the template with its `{name}` fields filled: quoted as one word, a sequence as words, Sh as it is.

    The template is a literal of our own source; double braces stand for one. Raises ValueError for a value with a NUL.
    """
    filled = {name: _quoted(value) for name, value in values.items()}
    return Sh(string.Formatter().vformat(template, (), filled))


def lines(*parts: Sh) -> Sh:
    """Return the fragments one after another, each on lines of its own."""
    return Sh("\n".join(part.text for part in parts))


def flocked(descriptor: int, seconds: int, otherwise: Sh) -> Sh:
    """Return shell that locks an open descriptor, or does `otherwise` when it is not free within about `seconds`.

    By asking again and again: not every `flock` can wait for a limited time.
    """
    return sh(
        """\
w=0
until flock -n {descriptor}; do
  w=$((w + 1))
  if [ "$w" -gt {tries} ]; then {otherwise}; fi
  sleep 0.2 2>/dev/null || sleep 1
done""",
        descriptor=descriptor,
        tries=seconds * 5,
        otherwise=otherwise,
    )


def _quoted(value: str | int | Sh | Sequence[str]) -> str:
    if isinstance(value, Sh):
        return value.text
    if isinstance(value, int):
        return str(value)
    words = (value,) if isinstance(value, str) else value
    if any("\0" in word for word in words):
        raise ValueError("a NUL cannot be passed to a shell")
    return " ".join(shlex.quote(word) for word in words)
