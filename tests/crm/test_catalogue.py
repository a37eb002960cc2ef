"""The catalogue: what is found, what is not, and what it costs to ask."""

from __future__ import annotations

import subprocess
import sys

import pytest

from crm.catalogue import all_recipes, explain, find
from crm.creme.versions import path, schema
from crm.errors import Refused
from tests.support.smallapp.recipe import RECIPE as SMALLAPP


def test_a_recipe_is_found_by_its_id() -> None:
    assert [recipe.id for recipe in all_recipes()] == ["creme", "dolibarr", "tryton"]
    assert all(find(recipe.id) is recipe for recipe in all_recipes())


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ("crème", "Did you mean creme? Known are: creme, dolibarr, fxiaoke, http, tryton, zoho (crmhost recipes)."),
        ("Creme", "Did you mean creme? Known are: creme, dolibarr, fxiaoke, http, tryton, zoho (crmhost recipes)."),
        ("salesforce", "Known are: creme, dolibarr, fxiaoke, http, tryton, zoho (crmhost recipes)."),
        ("", "Known are: creme, dolibarr, fxiaoke, http, tryton, zoho (crmhost recipes)."),
        ("../creme", "Did you mean creme? Known are: creme, dolibarr, fxiaoke, http, tryton, zoho (crmhost recipes)."),
    ],
)
def test_an_unknown_id_says_what_is_known(asked: str, remedy: str) -> None:
    with pytest.raises(Refused) as error:
        find(asked)
    assert error.value.what == f"crm.recipe: no recipe is called {asked!r}"
    assert error.value.remedy == remedy


def test_the_catalogue_imports_no_recipe_before_it_is_asked_for() -> None:
    code = "import sys, crm.catalogue; print([name for name in sys.modules if name.startswith('crm.creme')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_explain_says_how_a_step_that_was_interrupted_goes_on() -> None:
    rows = dict(explain(SMALLAPP))
    assert rows["initialise: schema"] == (
        "create the tables; done when its record says so; succeeds with /initialised schema \\d/; "
        "when it was interrupted, the database goes back to what it was before"
    )
    assert rows["admin: register"].endswith("when it was interrupted, a person decides")
    assert rows["upgrade"] == "steps upgrade, between a backup and the gate"
    assert rows["default accounts"] == "refused: root"


def test_a_patch_release_of_creme_keeps_the_schema() -> None:
    assert schema("2.8.6") == schema("2.8.0") == "2.8"
    assert schema("2.7.13") == "2.7"
    assert path("2.8.1", "2.8.6") == ("2.8.6",)


def test_an_upgrade_of_creme_takes_one_minor_version_at_a_time() -> None:
    assert path("2.7.13", "2.8.6") == ("2.8.6",)
    with pytest.raises(Refused, match=r"2\.5\.9 → 2\.8\.6 skips a minor version\nupgrade through 2\.6, 2\.7 first"):
        path("2.5.9", "2.8.6")
    with pytest.raises(Refused, match="skips a minor version"):
        path("2.8.6", "3.1.0")


@pytest.mark.parametrize(("old", "new"), [("2.8.6", "2.8.5"), ("2.8.6", "2.7.13")])
def test_creme_never_goes_back(old: str, new: str) -> None:
    with pytest.raises(Refused, match=f"restore a backup made by Creme {new}"):
        path(old, new)


@pytest.mark.parametrize("version", ["", "2.8", "2.8.6.1", "2.8.x", "2.8.²", "-2.8.6"])
def test_what_is_no_version_of_creme_is_named(version: str) -> None:
    with pytest.raises(Refused, match="write three numbers"):
        schema(version)
