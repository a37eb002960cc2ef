"""What a fleet says of archives: it completes a recipe, and never contradicts it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crm.catalogue import find
from crm.errors import Refused
from crm.recipe import Archive
from crm.release import artifact_digest, artifact_of
from crmhost.fleet import read_settings
from crmhost.pins import files, known, plain
from tests.crmhost.conftest import Crmhost

A, B = "a" * 64, "b" * 64


def test_a_fleet_pins_what_a_recipe_could_not(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init")
    with (folder / "crmhost.yaml").open("a") as file:
        file.write(f"\narchives:\n  - {{of: dolibarr-22.0.4, sha256: {A}, file: archives/dolibarr.tar.gz}}\n")
    pins = plain(read_settings(folder / "crmhost.yaml"))
    recipe = known(find("dolibarr"), pins)
    artifact = artifact_of(recipe, "22.0.4", "mysql")
    assert isinstance(artifact, Archive)
    assert artifact.sha256 == A
    assert files(folder, recipe, pins) == {A: folder / "archives/dolibarr.tar.gz"}
    with pytest.raises(Refused, match=r"dolibarr 16\.0\.3: its recipe has no checksum"):
        artifact_of(recipe, "16.0.3", "mysql")


def test_what_is_no_checksum_is_named_with_its_line(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init")
    with (folder / "crmhost.yaml").open("a") as file:
        file.write("\narchives: [{of: dolibarr-22.0.4, sha256: 12}]\n")
    said = crmhost("secrets", "list")
    assert said.code == 1
    assert "archives" in said.err
    assert "write 64 hex digits, as sha256sum prints them" in said.err


def test_a_pin_that_contradicts_the_recipe_is_refused() -> None:
    recipe = find("dolibarr")
    own = replace(recipe, artifacts={"22.0.4": Archive("https://x.example/a.zip", A)})
    assert known(own, [("dolibarr-22.0.4", A, ""), ("dolibarr-9.9.9", B, "")]).artifacts == own.artifacts
    with pytest.raises(Refused, match=r"found the sha256 b+, and the recipe says a+"):
        known(own, [("dolibarr-22.0.4", B, "")])


def test_an_artifact_is_named_by_what_it_holds_and_not_by_where_it_came_from() -> None:
    one = Archive("https://x.example/a.zip", A)
    assert artifact_digest(one) == artifact_digest(replace(one, url="https://y.example/b.tgz"))
    names = {artifact_digest(each) for each in (one, replace(one, sha256=B), replace(one, strip=0))}
    assert len(names) == 3
