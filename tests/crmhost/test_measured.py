"""A contract of a service that others run: written, checked and listed, and nothing of it is deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crmhost.conftest import Crmhost


@pytest.mark.parametrize("words", [(), ("--target", "saas")])
def test_init_writes_one_that_passes_check_and_deploys_nothing(
    crmhost: Crmhost, folder: Path, words: tuple[str, ...]
) -> None:
    assert crmhost("init", "acme", "--recipe", "zoho", *words).code == 0
    text = (folder / "contracts/acme.yaml").read_text()
    assert "kind: saas" in text
    assert "https://crm.zoho.com/" in text
    assert "version:" not in text
    assert crmhost("check").out == "1 contract: 0 errors, 0 warnings.\n"
    for verb in (("plan", "acme"), ("deploy", "acme", "--yes")):
        said = crmhost(*verb)
        assert said.code == 1
        assert said.err == (
            "crmhost: contracts/acme.yaml: target.kind: saas is somebody else's service;"
            " crmhost measures and credits it\n"
            "There is nothing to deploy: crmhost serve measures it.\n"
        )


@pytest.mark.parametrize("words", [("--target", "webhost"), ("--crm-version", "1.0.0")])
def test_init_refuses_what_would_be_a_deploy(crmhost: Crmhost, words: tuple[str, ...]) -> None:
    said = crmhost("init", "acme", "--recipe", "fxiaoke", *words)
    assert said.code == 1
    assert said.err == (
        "crmhost: crm.recipe: Fxiaoke (ShareCRM) (fxiaoke) is a service that others run; crmhost only measures it\n"
        "Write target: {kind: saas}, without crm.version: crmhost serve measures it, and nothing is deployed.\n"
    )


def test_they_are_listed_with_how_they_are_known(crmhost: Crmhost) -> None:
    lines = [line.split() for line in crmhost("recipes").out.splitlines()]
    assert ["zoho", "Zoho", "CRM", "–", "measured", "only", "(saas)", "believed", "the", "vendor's", "terms"] in lines
    assert "never deployed" in crmhost("recipes", "http").out
