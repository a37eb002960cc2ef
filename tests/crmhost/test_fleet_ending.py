"""What becomes of the whole: an exit code that hides no failure, a table, a total, every error in full."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from crmhost.fleetwide.ending import HARMLESS, Did, Ending, cells, complaints, exit_code, in_order, total

DIDS: tuple[Did, ...] = get_args(Did)


def endings(*dids: Did) -> tuple[Ending, ...]:
    return tuple(Ending(f"c{number}", did) for number, did in enumerate(dids))


@pytest.mark.parametrize(
    ("dids", "code"),
    [
        (("nothing", "left out"), 0),
        (("deployed", "nothing"), 0),
        (("deployed", "restored"), 1),
        (("nothing", "changes"), 2),
        (("changes", "failed"), 1),
        (("deployed", "failed"), 1),
        (("deployed", "not begun"), 1),
        (("deployed", "declined"), 1),
        (("left out",), 0),
    ],
)
def test_the_exit_code(dids: tuple[Did, ...], code: int) -> None:
    assert exit_code(endings(*dids)) == code


@pytest.mark.parametrize("bad", sorted(set(DIDS) - HARMLESS))
def test_no_company_makes_a_failure_look_like_success(bad: Did) -> None:
    for others in itertools.product(DIDS, repeat=2):
        assert exit_code(endings(*others, bad)) == 1
        assert exit_code(endings(*others, bad), interrupted=True) in {1, 130}


def test_ctrl_c_that_left_something_undone_is_130() -> None:
    assert exit_code(endings("deployed", "stopped"), interrupted=True) == 130
    assert exit_code(endings("failed", "not begun"), interrupted=True) == 130
    assert exit_code(endings("deployed", "failed"), interrupted=True) == 1
    assert exit_code(endings("deployed", "deployed"), interrupted=True) == 0, "all was done before it came"


def test_the_table_says_how_each_ended() -> None:
    assert cells(Ending("a", "deployed", "creme-2", 3, seconds=1.26, backup="a-1")) == (
        "a", "deployed", "creme-2 serves, backup a-1", "1.3 s",
    )  # fmt: skip
    assert cells(Ending("a", "changes", "creme-2", 3)) == ("a", "changes", "3 for creme-2", "")
    assert cells(Ending("a", "failed", what=f"{'x' * 90}\nmore")) == ("a", "FAILED", f"{'x' * 79}…", "")
    assert cells(Ending("a", "not begun", what="b failed")) == ("a", "NOT BEGUN", "b failed", "")
    assert cells(Ending("a", "nothing", "creme-2", 0)) == ("a", "nothing to do", "creme-2", "")


def test_the_total_names_what_was_not_done() -> None:
    said = total(endings("deployed", "stopped", "not begun", "failed"), 2.0)
    assert said == "4 contracts: 1 deployed, 1 failed, 1 stopped, 1 not begun (2.0 s). Not done: c1, c2."
    assert total(endings("nothing", "nothing"), 1.0) == "2 contracts: 2 with nothing to do (1.0 s)."


def test_every_error_is_told_in_full_with_its_contract() -> None:
    long = "the disk is full, " * 20
    found = (Ending("a", "failed", what=f"{long}\nsecond line", remedy="Make room."), *endings("deployed", "not begun"))
    assert complaints(found) == (f"crmhost: a: {long}\nsecond line\nMake room.",)


def test_they_are_told_in_the_order_in_which_they_were_named() -> None:
    by_name = {one.contract: one for one in endings("deployed", "failed", "nothing")}
    assert [one.contract for one in in_order(("c2", "c0", "x", "c1"), by_name)] == ["c2", "c0", "c1"]
