"""Text of a host on a person's terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.terminal import safe, safe_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Xin chào, 你好, سلام", "Xin chào, 你好, سلام"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("back\x08\rspace", r"back\x08\x0dspace"),
        ("\x9b2J", r"\x9b2J"),
        ("admin\u202etxt.exe", r"admin\u202etxt.exe"),
        ("zero\u200bwidth\u2066", r"zero\u200bwidth\u2066"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), r"caf\xe9"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_could_steer_a_terminal_is_shown(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_long_text_keeps_its_end() -> None:
    assert safe("a" * 5000 + "why", limit=10) == "…aaaaaawhy"
    assert safe_line("one\ntwo\tthree") == "one⏎two three"


@given(st.text(alphabet=st.characters(codec=None)))
def test_nothing_invisible_is_left(text: str) -> None:
    assert all(character in "\n\t" or unicodedata.category(character)[0] != "C" for character in safe(text))
