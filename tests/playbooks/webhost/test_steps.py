"""Which steps are due after what was found in the database."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.errors import HostError, Refused
from crm.steps import Records, State, key
from playbooks.webhost.release import release_of
from playbooks.webhost.steps import check_schema, due, ordered, parse
from tests.support.smallapp.recipe import RECIPE
from tests.support.wants import small_want

WANT = small_want()
RELEASE = release_of(WANT)
KEYS = [key(step, RELEASE) for step in ordered(RECIPE)]
FINISHED: dict[str, State] = dict.fromkeys(KEYS, "finished")


def names(records: Records) -> list[str]:
    return [step.name for step in due(WANT, RELEASE, records).steps]


def test_an_empty_database_needs_every_step_but_upgrades() -> None:
    assert names(Records({})) == ["schema", "seed", "derive", "admin", "register"]


def test_what_is_finished_is_not_due() -> None:
    assert names(Records(FINISHED)) == []


def test_a_new_release_derives_its_own_files() -> None:
    done = {name: state for name, state in FINISHED.items() if "@" not in name}
    done["derive@smallapp-0.9-ffffffffffff"] = "finished"
    assert names(Records(done)) == ["derive"]


def test_a_safe_step_is_run_once_more() -> None:
    assert names(Records({**FINISHED, "seed": "started"})) == ["seed"]


def test_an_interrupted_schema_begins_anew() -> None:
    found = due(WANT, RELEASE, Records({"schema": "started"}))
    assert found.reset is not None
    assert "step schema was interrupted" in found.reset
    assert len(found.steps) == 5


def test_a_database_in_use_is_never_emptied() -> None:
    with pytest.raises(Refused, match="may only be run on a restored database"):
        due(WANT, RELEASE, Records({"schema": "started", "admin": "finished"}))


def test_a_step_that_must_not_run_twice_stops_everything() -> None:
    with pytest.raises(HostError, match="step register was begun and not finished") as failure:
        due(WANT, RELEASE, Records({**FINISHED, "register": "started"}))
    assert "log/crm/steps.log" in failure.value.remedy


@given(st.lists(st.sampled_from(["absent", "started", "finished"]), min_size=len(KEYS), max_size=len(KEYS)))
def test_no_record_lets_a_finished_step_run_again_unless_the_database_begins_anew(states: list[str]) -> None:
    records = Records({name: state for name, state in zip(KEYS, states, strict=True) if state != "absent"})  # type: ignore[misc] # sampled from the states
    try:
        found = due(WANT, RELEASE, records)
    except (HostError, Refused):
        assert "started" in states
        return
    if found.reset is not None:
        assert records.steps.get("admin") != "finished"
        return
    assert {key(step, RELEASE) for step in found.steps} == {
        name for name, state in zip(KEYS, states, strict=True) if state != "finished"
    }


@pytest.mark.parametrize(
    ("schema", "others", "what"),
    [
        (("smallapp", "2.0", "2"), 5, "does not upgrade databases on web hosts yet"),
        (("creme", "2.8.6", "1"), 5, "was made by creme"),
        (None, 3, "no record that crmhost made them"),
    ],
)
def test_a_database_that_is_not_this_releases_is_refused(
    schema: tuple[str, str, str] | None, others: int, what: str
) -> None:
    with pytest.raises(Refused, match=what):
        check_schema(WANT, RELEASE, Records({}, schema, others), "/home/x/.crmhost/acme/data/db.sqlite3")


def test_a_database_of_this_schema_or_none_is_fine() -> None:
    for records in (Records({}), Records({}, ("smallapp", "1.1", "1"), 5)):
        check_schema(WANT, RELEASE, records, "/db")


def test_what_the_host_says_is_read_strictly() -> None:
    good = {"steps": {"seed": ["finished", "r", "t"]}, "schema": ["smallapp", "1.0", "1"], "others": 2, "error": None}
    assert parse(json.dumps(good), "/db") == Records({"seed": "finished"}, ("smallapp", "1.0", "1"), 2)
    for bad in ("", "[]", "{}", json.dumps({**good, "steps": {"seed": ["half", "r", "t"]}})):
        with pytest.raises(HostError, match="/db: its records of steps read"):
            parse(bad, "/db")
    with pytest.raises(HostError, match="could not be read: file is not a database"):
        parse(json.dumps({**good, "error": "file is not a database"}), "/db")


def test_the_order_is_that_of_the_phases() -> None:
    phases = [step.phase for step in ordered(RECIPE)]
    assert [phase for phase, _ in itertools.groupby(phases)] == ["initialise", "admin"]
