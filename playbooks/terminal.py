"""Making text that came from a host safe for a terminal: answers of a host are data, never commands to a screen."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: str, limit: int = 2000) -> str:
    r"""Return the text with everything that could steer a terminal shown as an escape, at most `limit` characters.

    Control characters, escape codes, bidirectional and other invisible marks, and bytes that were not UTF-8 become
    `\x1b`, `\u202e` and the like; a newline and a tab stay. What is too long loses its beginning: the end of an output
    says why it failed.
    """
    cut = text if len(text) <= limit else "…" + text[len(text) - limit + 1 :]
    return "".join(_shown(character) for character in cut)


def safe_line(text: str, limit: int = 200) -> str:
    """Return the text on one line, safe for a terminal, at most `limit` characters of it."""
    return safe(text.replace("\n", "⏎").replace("\t", " "), limit)


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
