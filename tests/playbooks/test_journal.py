"""The journal's lines, as the host writes them and as they are read."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.plan import Event
from playbooks.journal import FUNCTIONS, LIMIT, ROTATE, Entry, origin, parse, quoted, read
from playbooks.shell import Sh, lines, sh

GOOD = (
    b'{"version":1,"at":"2026-11-22T18:00:00.000001Z","who":"ann","operation":"9f","phase":"stage","subject":"s",'
    b'"state":"failed","code":3}'
)


def test_a_line_is_an_entry() -> None:
    at = datetime(2026, 11, 22, 18, 0, 0, 1, tzinfo=UTC)
    entry = Entry(at, "ann", "9f", "stage", "s", "failed", 3)
    assert read(GOOD + b"\n") == (entry,)
    assert entry.event == Event("stage", "s", "failed", "exit code 3")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        GOOD[:40],
        b"[]",
        b"null",
        b"1",
        GOOD.replace(b":1,", b":2,", 1),
        GOOD.replace(b"failed", b"maybe"),
        GOOD.replace(b"2026-11-22T", b"yesterday "),
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_no_line_of_ours_is_left_out(line: bytes) -> None:
    assert parse(line) is None
    assert len(read(b"\n".join((GOOD, line, GOOD)))) == 2


@given(st.binary(max_size=200))
def test_reading_never_fails(content: bytes) -> None:
    assert isinstance(read(content), tuple)


def shell(folder: Path, script: Sh) -> None:
    start = sh(
        "d={d}; origin={origin}; phase={phase}", d=str(folder), origin=origin("ann 'x'", "9f"), phase=quoted("steps")
    )
    subprocess.run(["sh", "-c", lines(start, FUNCTIONS, script).text], check=True)


def test_the_host_writes_lines_that_are_read(tmp_path: Path) -> None:
    odd = 'file:a\n"b" \x1b \\ Đà'
    shell(tmp_path, sh('journal "$(entry begin {s})"; journal "$(entry failed {s} 7)"', s=quoted(odd)))
    first, second = read((tmp_path / "journal").read_bytes())
    assert (first.who, first.operation, first.phase, first.subject, first.state, first.code) == (
        "ann 'x'",
        "9f",
        "steps",
        odd,
        "begin",
        None,
    )
    assert (second.state, second.code) == ("failed", 7)
    assert first.event.subject == r'file:a⏎"b" \x1b \ Đà'
    assert abs(datetime.now(UTC) - first.at) < timedelta(minutes=1)


def test_a_date_without_fractions_gives_whole_seconds(tmp_path: Path) -> None:
    (tmp_path / "date").write_text(
        '#!/bin/sh\necho "$2" | sed "s/+%Y-%m-%dT%H:%M:%S/2026-11-22T18:00:00/; s/%6N/6N/"\n'
    )
    (tmp_path / "date").chmod(0o755)
    shell(tmp_path, sh('PATH={path}:$PATH; journal "$(entry begin {s})"', path=str(tmp_path), s=quoted("s")))
    assert read((tmp_path / "journal").read_bytes())[0].at == datetime(2026, 11, 22, 18, tzinfo=UTC)


def test_the_journal_is_bounded(tmp_path: Path) -> None:
    journal, older = tmp_path / "journal", tmp_path / "journal.1"
    journal.write_bytes(b"x" * LIMIT)
    older.write_bytes(b"oldest\n")
    shell(tmp_path, ROTATE)
    assert not journal.exists()
    assert older.stat().st_size == LIMIT


def test_a_line_that_a_crash_tore_is_ended(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_bytes(GOOD + b"\n" + GOOD[:30])
    shell(tmp_path, lines(ROTATE, sh('journal "$(entry begin {s})"', s=quoted("s"))))
    assert [entry.state for entry in read(journal.read_bytes())] == ["failed", "begin"]
