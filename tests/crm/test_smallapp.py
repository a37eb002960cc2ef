"""The small application really has what its recipe says; the fault tests of other rooms build on it."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from crm.recipe import Ask
from tests.crm.conftest import HandMade, MakeByHand
from tests.support.smallapp.recipe import RECIPE, recipe

Processes = list[subprocess.Popen[bytes]]
STEPS = {step.name: step for step in RECIPE.steps}
WEB, WORKER = RECIPE.processes


def install(made: HandMade) -> None:
    made.write_files()
    for step in RECIPE.steps:
        assert re.search(step.ok, made.step(step)), step.name


def test_every_step_says_that_it_is_done_and_its_guard_agrees(by_hand: MakeByHand) -> None:
    made = by_hand(RECIPE, "1.0")
    install(made)
    assert made.asked(RECIPE.users)
    for step in RECIPE.steps:
        assert not isinstance(step.done, Ask) or made.asked(step.done), step.name


@pytest.mark.slow
def test_it_serves_and_is_ready_only_with_its_database(by_hand: MakeByHand, started: Processes) -> None:
    made = by_hand(RECIPE, "1.1")
    install(made)
    started += [made.start(WEB), made.start(WORKER)]
    assert made.asked(RECIPE.live)
    assert made.asked(RECIPE.ready)
    Path(made.slots["db"]).rename(Path(made.slots["data"], "lost"))
    assert made.wait("/ready", lambda answer: answer.startswith("500"), seconds=2).startswith("500")
    assert made.asked(RECIPE.live)


@pytest.mark.slow
def test_a_second_release_takes_over_the_port_while_the_first_drains(by_hand: MakeByHand, started: Processes) -> None:
    old = by_hand(RECIPE, "1.0")
    install(old)
    new = by_hand(RECIPE, "1.1")
    new = replace(new, slots={**new.slots, "listen": old.slots["listen"]})
    new.write_files()
    started.append(old.start(WEB))
    assert old.asked(RECIPE.ready)
    started.append(new.start(WEB))
    old.wait("/live", lambda answer: answer == "200 live 1.1")
    started[0].terminate()
    assert started[0].wait(5) == 0
    assert old.wait("/live", lambda _answer: True) == "200 live 1.1"


def test_a_fault_is_on_while_its_file_is_there(by_hand: MakeByHand, tmp_path: Path) -> None:
    made = by_hand(recipe(str(tmp_path / "faults")), "1.0")
    made.write_files()
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "init").touch()
    assert "initialised" not in made.step(STEPS["schema"])
    (tmp_path / "faults" / "init").unlink()
    assert "already exists" in made.step(STEPS["schema"])  # half-way: only a restore helps
    Path(made.slots["db"]).unlink()
    assert "initialised schema 1" in made.step(STEPS["schema"])


@pytest.mark.slow
def test_the_broken_version_is_live_and_never_ready(by_hand: MakeByHand, started: Processes) -> None:
    made = by_hand(RECIPE, "broken")
    install(made)
    started.append(made.start(WEB))
    assert made.asked(RECIPE.live)
    assert made.wait("/ready", lambda _answer: True).startswith("500 not ready")


def test_an_upgrade_keeps_the_notes_and_the_old_code_cannot_write_any_more(by_hand: MakeByHand) -> None:
    old, new = by_hand(RECIPE, "1.0"), by_hand(RECIPE, "2.0")
    install(old)
    new.write_files()
    with closing(sqlite3.connect(old.slots["db"])) as db:
        db.execute("INSERT INTO note (text) VALUES ('kept')")
        db.commit()
        assert "current 2" in new.step(STEPS["upgrade"])
        assert db.execute("SELECT text, author FROM note").fetchall() == [("kept", "unknown")]
        with pytest.raises(sqlite3.IntegrityError, match="author"):
            db.execute("INSERT INTO note (text) VALUES ('lost')")
