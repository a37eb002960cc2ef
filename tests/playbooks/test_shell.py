"""Quoting: every value reaches a program as the one word that it was."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.shell import lines, sh

WORD = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORD, min_size=1, max_size=4))
def test_words_survive_a_shell(words: list[str]) -> None:
    script = sh("printf '%s\\0' {words}", words=words)
    printed = subprocess.run(["sh", "-c", script.text], check=True, capture_output=True).stdout
    assert printed.decode().split("\0")[:-1] == words


def test_fragments_and_numbers_are_filled_in_as_they_are() -> None:
    inner = sh("echo {word}", word="it's")
    assert (
        lines(sh("head -c {n}", n=3), sh("({inner}) {{x}}", inner=inner)).text == "head -c 3\n(echo 'it'\"'\"'s') {x}"
    )


def test_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="a NUL"):
        sh("{word}", word="a\0b")
