"""The catalogue: what is found, what is not, and what it costs to ask."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from crm.catalogue import all_recipes, explain, find
from crm.creme.versions import path, schema
from crm.dolibarr import versions as dolibarr
from crm.errors import Refused
from crm.recipe import Archive
from tests.support.smallapp.recipe import RECIPE as SMALLAPP

KNOWN = "creme, dolibarr, espocrm, fxiaoke, http, tryton, zoho"
"""Recipes and services that are only measured, as a person is told of them."""


def test_a_recipe_is_found_by_its_id() -> None:
    assert [recipe.id for recipe in all_recipes()] == ["creme", "dolibarr", "espocrm", "tryton"]
    assert all(find(recipe.id) is recipe for recipe in all_recipes())


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ("crème", f"Did you mean creme? Known are: {KNOWN} (crmhost recipes)."),
        ("Creme", f"Did you mean creme? Known are: {KNOWN} (crmhost recipes)."),
        ("salesforce", f"Known are: {KNOWN} (crmhost recipes)."),
        ("", f"Known are: {KNOWN} (crmhost recipes)."),
        ("../creme", f"Did you mean creme? Known are: {KNOWN} (crmhost recipes)."),
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


def test_explain_says_what_a_php_recipe_needs_of_its_host() -> None:
    rows = dict(explain(find("dolibarr")))
    assert rows["runtime"].startswith("PHP ≥ 8.0, < 8.3 with curl, gd, ")
    assert rows["document root"] == "{app}/htdocs, which the host's own PHP serves"
    assert rows["writable paths"] == "{data}/documents, {data}/custom (at {app}/htdocs/custom)"
    assert rows["processes"] == "none"
    assert rows["jobs"] == "scheduled: every 5 min {php} site_cron.php, or by URL POST /crmhost-cron.php"
    assert rows["fetch"].endswith("/22.0.4.tar.gz, whose SHA-256 the fleet has to say")
    pinned_one = Archive("https://x.example/a.zip", "a" * 64)
    assert dict(explain(replace(find("dolibarr"), artifacts={"1.0": pinned_one})))["fetch"].endswith("a" * 64)


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


def test_dolibarr_keeps_its_schema_within_a_major_version_and_steps_through_all_of_them_in_one() -> None:
    assert dolibarr.schema("22.0.4") == dolibarr.schema("22.0.5") == "22.0"
    assert dolibarr.path("16.0.3", "22.0.4") == ("22.0.4",)
    assert [step.name for step in find("dolibarr").steps if step.phase == "upgrade"] == [
        f"upgrade-{major}" for major in (17, 18, 19, 20, 21, 22)
    ]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("22.0.4", "16.0.3", "restore a backup made by Dolibarr 16.0.3"),
        ("22.0.4", "22.0.3", "restore a backup made by Dolibarr 22.0.3"),
        ("15.0.3", "22.0.4", "this upgrade has not been tried"),
        ("22.0.4", "23.0.0", "this upgrade has not been tried"),
        ("22.0", "22.0.4", "write three numbers"),
    ],
)
def test_an_upgrade_of_dolibarr_that_nobody_has_tried_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(Refused, match=re.escape(why)):
        dolibarr.path(old, new)
