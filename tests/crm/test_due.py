"""Which steps are due after what was found in the database: beginnings, upgrades, interruptions."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.due import FIRST, UPGRADE, check_schema, due, is_upgrade, last_of_upgrade
from crm.errors import HostError, Refused
from crm.plan import Release
from crm.recipe import Recipe
from crm.steps import Records, State, key, of_copy, ordered
from tests.support.smallapp.recipe import RECIPE

OLD = Release("smallapp", "1.0", "0" * 64, "1")
NEW = Release("smallapp", "2.0", "2" * 64, "2")
MADE: dict[str, State] = {key(step, OLD): "finished" for step in ordered(RECIPE, FIRST)}
USED = Records(MADE, ("smallapp", "1.0", "1"), 5)


def names(records: Records, release: Release) -> list[str]:
    return [step.name for step in due(RECIPE, records, release).steps]


def also(records: Records, **steps: State) -> Records:
    return replace(
        records, steps={**records.steps, **{name.replace("__", ">"): state for name, state in steps.items()}}
    )


def test_an_empty_database_needs_every_step_but_upgrades() -> None:
    assert names(Records({}), OLD) == ["schema", "seed", "derive", "admin", "register"]
    assert names(Records({}), NEW) == ["schema", "seed", "derive", "admin", "register"]


def test_a_template_leaves_what_is_of_the_release_and_of_the_customer() -> None:
    kept = Records({"schema": "finished", "seed": "finished"}, ("smallapp", "1.0", "1"), 5)
    assert names(kept, OLD) == ["derive", "admin", "register"]


def test_another_release_of_the_schema_derives_its_own_files() -> None:
    assert names(USED, replace(OLD, version="1.1", config="1" * 64)) == ["derive"]


def test_an_upgrade_comes_before_what_is_derived_for_the_release() -> None:
    assert is_upgrade(USED, NEW)
    assert names(USED, NEW) == ["upgrade", "derive"]
    assert last_of_upgrade(RECIPE, USED, NEW) == next(step for step in RECIPE.steps if step.name == "upgrade")
    assert last_of_upgrade(RECIPE, USED, OLD) is None


def test_each_upgrade_has_records_of_its_own() -> None:
    later = Release("smallapp", "3.0", "3" * 64, "3")
    upgraded = replace(also(USED, upgrade__2="finished"), schema=("smallapp", "2.0", "2"))
    assert names(upgraded, later) == ["upgrade", "derive"]


def test_an_interrupted_upgrade_waits_for_the_backup() -> None:
    found = due(RECIPE, also(USED, upgrade__2="started"), NEW)
    assert found.restore == "step upgrade>2 was begun and not finished"
    assert [step.name for step in found.steps] == ["upgrade", "derive"]


def test_what_an_interrupted_upgrade_had_finished_comes_again_after_the_restore() -> None:
    first = next(step for step in RECIPE.steps if step.name == "upgrade")
    recipe = replace(RECIPE, steps=(*RECIPE.steps, replace(first, name="second")))
    found = due(recipe, also(USED, upgrade__2="finished", second__2="started"), NEW)
    assert found.restore is not None
    assert [step.name for step in found.steps] == ["upgrade", "second", "derive"]


@pytest.mark.parametrize("state", ["started", "finished"])
def test_a_database_that_no_customer_has_used_begins_anew(state: State) -> None:
    found = due(RECIPE, Records({"schema": "started"}, ("smallapp", "1.0", "1")), OLD)
    assert found.reset == "step schema was interrupted, and no customer has used the database yet"
    found = due(RECIPE, Records({"schema": state}, ("smallapp", "1.0", "1")), NEW)
    assert found.reset is not None
    assert "another schema" in found.reset
    assert [step.name for step in found.steps] == ["schema", "seed", "derive", "admin", "register"]


def test_a_step_that_must_not_run_twice_stops_everything() -> None:
    with pytest.raises(HostError, match="step register was begun and not finished"):
        due(RECIPE, also(USED, register="started"), OLD)


STATES = st.lists(st.sampled_from(["absent", "started", "finished"]), min_size=6, max_size=6)


@given(STATES, st.sampled_from([OLD, NEW]))
def test_no_customers_data_is_ever_reset_and_nothing_finished_runs_again(states: list[str], release: Release) -> None:
    keys = [key(step, release) for step in ordered(RECIPE, UPGRADE)]
    found: dict[str, State] = {name: state for name, state in zip(keys, states, strict=True) if state != "absent"}  # type: ignore[misc] # sampled from the states
    records = Records(found, ("smallapp", "1.0", "1"))
    try:
        steps = due(RECIPE, records, release)
    except HostError:
        assert found.get("register") == "started"
        return
    if steps.reset is not None:
        assert found.get("admin") != "finished"
        assert found.get("register") != "finished"
        return
    if steps.restore is None:
        assert not {key(step, release) for step in steps.steps} & {
            n for n, state in found.items() if state == "finished"
        }


def test_phases_are_in_order() -> None:
    assert [phase for phase, _ in itertools.groupby(step.phase for step in ordered(RECIPE, UPGRADE))] == list(UPGRADE)


def check(records: Records, release: Release, recipe: Recipe = RECIPE) -> None:
    check_schema("acme", recipe, release, records)


def test_a_database_that_can_come_to_the_release_is_fine() -> None:
    check(Records({}), NEW)
    check(USED, OLD)
    check(USED, NEW)
    check(Records({}, ("smallapp", "2.0", "2"), 5), OLD)  # nobody has used it: it begins anew


def test_old_code_never_runs_on_a_newer_database() -> None:
    with pytest.raises(Refused, match=r"Notebook 2\.0 → 1\.0: old code never runs on a newer database"):
        check(replace(USED, schema=("smallapp", "2.0", "2")), OLD)


def test_other_databases_are_refused() -> None:
    with pytest.raises(Refused, match=r"the database of acme was made by creme 2\.8\.6"):
        check(replace(USED, schema=("creme", "2.8.6", "2.8")), OLD)
    with pytest.raises(Refused, match="the database of acme holds 3 tables, and no record"):
        check(Records({}, None, 3), OLD)


def test_a_way_through_other_versions_names_the_first() -> None:
    longer = replace(RECIPE, path=lambda _old, new: ("1.5", new))
    with pytest.raises(Refused, match=r"goes through 1\.5\nwrite crm\.version: 1\.5, deploy"):
        check(USED, NEW, longer)


def test_a_recipe_without_upgrades_says_so() -> None:
    without = replace(RECIPE, steps=tuple(step for step in RECIPE.steps if step.phase != "upgrade"))
    with pytest.raises(Refused, match="the recipe has no step that upgrades it"):
        check(USED, NEW, without)


def test_a_copy_comes_where_nothing_is_and_where_it_was_before() -> None:
    mine = replace(USED, trial=("acme_try", "1f"))
    assert of_copy("acme_try", "1f", Records({})) == Records({})
    assert of_copy("acme_try", "1f", mine) == mine
    assert of_copy("acme_try", "2a", mine) == Records({}), "what another run left goes before anything comes"
    for foreign in (USED, Records({}, others=1), Records({"seed": "started"}), replace(USED, trial=("beta_try", "1f"))):
        with pytest.raises(
            Refused, match=r"acme_try: target\.database\.scratch holds \d tables, and .*; nothing was done"
        ):
            of_copy("acme_try", "1f", foreign)


def test_no_customer_comes_where_a_copy_is() -> None:
    tried = replace(USED, trial=("beta_try", "1f"))
    with pytest.raises(Refused, match="the database of acme is one for trials: the copy beta_try is in it"):
        check_schema("acme", RECIPE, OLD, tried)
    check_schema("beta_try", RECIPE, OLD, tried)
