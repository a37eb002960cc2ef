from __future__ import annotations

import csv
import stat
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.billing.adapter import Capabilities
from monitor.billing.file import COLUMNS, FileAdapter, safe_cell
from monitor.ledger.answers import NotSent, Receipt, Unknown
from monitor.ledger.credit import Note, Owed, credit_key, note_from_text, note_to_text

NOTE = Note(
    key="crd_acme_2026-10_1",
    kind="credit",
    contract="acme",
    customer="Công ty ACME",
    account="C-1042",
    period="2026-10",
    starts=1_790_787_600_000_000,
    ends=1_793_466_000_000_000,
    revision=1,
    number=1,
    owed=Owed(unit="money", amount="12.30", currency="USD"),
    reason="availability below the target",
    created_at=1_793_470_000_000_000,
    extended_seconds=0,
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_credit_is_one_line_that_the_accountant_can_read(tmp_path: Path) -> None:
    adapter = FileAdapter(tmp_path / "credits.csv")
    assert adapter.find(NOTE.key) is None
    assert adapter.send(NOTE) == Receipt("line 2")
    assert adapter.find(NOTE.key) == Receipt("line 2")
    (row,) = rows(tmp_path / "credits.csv")
    assert (row["customer"], row["amount"], row["currency"], row["seconds"]) == ("Công ty ACME", "12.30", "USD", "")
    assert row["from"] == "2026-09-30T17:00:00.000000Z"
    assert (tmp_path / "credits.csv").read_bytes().startswith(b"\xef\xbb\xbfkey,")
    assert stat.S_IMODE((tmp_path / "credits.csv").stat().st_mode) == 0o600


def test_the_same_key_is_one_line_however_often_it_is_sent(tmp_path: Path) -> None:
    adapter = FileAdapter(tmp_path / "credits.csv")
    workers = [threading.Thread(target=adapter.send, args=(NOTE,)) for _ in range(10)]
    workers += [
        threading.Thread(target=adapter.send, args=(replace(NOTE, key=f"crd_acme_{month}_1"),)) for month in range(10)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(rows(tmp_path / "credits.csv")) == len({row["key"] for row in rows(tmp_path / "credits.csv")}) == 11


def test_a_reversal_is_a_line_of_its_own(tmp_path: Path) -> None:
    adapter = FileAdapter(tmp_path / "credits.csv")
    adapter.send(NOTE)
    reversal = replace(NOTE, key="rev_acme_2026-10_1", kind="reversal", reverses=NOTE.key)
    assert adapter.reverse(reversal) == Receipt("line 3")
    assert [row["kind"] for row in rows(tmp_path / "credits.csv")] == ["credit", "reversal"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_no_cell_becomes_a_formula(text: str) -> None:
    assert not safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert safe_cell(text).endswith(text)


def test_names_with_formulas_commas_and_lines_stay_one_cell(tmp_path: Path) -> None:
    adapter = FileAdapter(tmp_path / "credits.csv")
    adapter.send(replace(NOTE, customer='=HYPERLINK("http://x")', reason='a,b\n"c"'))
    adapter.send(replace(NOTE, key="crd_acme_2026-11_1"))
    first, second = rows(tmp_path / "credits.csv")
    assert first["customer"] == '\'=HYPERLINK("http://x")'
    assert first["reason"] == 'a,b\n"c"'
    assert second["key"] == "crd_acme_2026-11_1"


@pytest.mark.parametrize("content", [b"", b"something,else\r\n", b"\xff\xfe\x00", b'key,"open'])
def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "credits.csv"
    path.write_bytes(content)
    adapter = FileAdapter(path)
    assert isinstance(adapter.send(NOTE), NotSent)
    assert isinstance(adapter.find(NOTE.key), Unknown)
    assert path.read_bytes() == content


def test_a_folder_that_is_missing_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    answer = FileAdapter(tmp_path / "missing" / "credits.csv").send(NOTE)
    assert isinstance(answer, NotSent)
    assert "No such file or directory" in answer.reason


def test_the_columns_are_all_filled(tmp_path: Path) -> None:
    FileAdapter(tmp_path / "credits.csv").send(replace(NOTE, owed=Owed("service-time", seconds=60), term_ends=0))
    (row,) = rows(tmp_path / "credits.csv")
    assert tuple(row) == COLUMNS
    assert (row["seconds"], row["term_ends"]) == ("60", "1970-01-01T00:00:00.000000Z")


@pytest.mark.parametrize(
    ("owed", "says"),
    [
        (Owed("service-time", seconds=1), "service-time"),
        (Owed("money", amount="1000000.00", currency="USD"), "above 999999.99"),
        (Owed("money", amount="1", currency="VND"), "no VND"),
        (Owed("money", amount="999999.99", currency="USD"), None),
    ],
)
def test_what_a_system_cannot_express_is_said(owed: Owed, says: str | None) -> None:
    limits = Capabilities(frozenset({"money"}), frozenset({"USD"}), Decimal("999999.99"))
    found = limits.refuses(owed)
    assert found is None if says is None else says in str(found)


def test_a_note_survives_the_ledger() -> None:
    assert note_from_text(note_to_text(NOTE)) == NOTE


@pytest.mark.slow
@given(st.text(), st.text())
def test_keys_are_safe_everywhere_and_differ_where_their_periods_do(one: str, other: str) -> None:
    first, second = credit_key("acme", one, "credit", 1), credit_key("acme", other, "credit", 1)
    assert all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in first)
    assert (first == second) == (one == other)
