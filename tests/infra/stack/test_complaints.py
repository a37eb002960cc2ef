"""What Pulumi and the provider say becomes one error with a remedy: one file for each, as it was really said."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from infra.complaints import Where, explain, telling
from infra.engine.reach import Reach

CASES = sorted((Path(__file__).parent / "complaints").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_a_complaint_is_one_error_with_a_remedy(case: Path) -> None:
    expected = YAML(typ="safe").load(case)
    where = Where("acme", Reach(expected.get("reach", "unix:///run/docker.sock")), "/fleet/.crmhost/pulumi/acme")
    error = explain([expected["said"]], where)
    assert type(error).__name__ == expected.get("error", "CrmhostError")
    assert expected["what"] in error.what
    assert expected["remedy"] in error.remedy
    assert "\n" not in error.what


def test_of_several_things_said_the_one_that_is_understood_is_told() -> None:
    where = Where("acme", Reach("unix:///run/docker.sock"))
    error = explain(["update failed", "it is raining", "error: incorrect passphrase"], where)
    assert "passphrase" in error.what


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["update failed", "1 error occurred:\n\t* it is raining\n\n"], "it is raining"),
        (["error: it is raining", " code: 1\n"], "it is raining"),
        (["deleting urn:pulumi:a::b::docker:index/x:X::v: 1 error occurred:\n\t* it is raining\n"], "it is raining"),
        (["preview failed"], "without a word"),
        ([], "without a word"),
    ],
)
def test_the_line_that_says_what_happened_is_told(said: list[str], told: str) -> None:
    assert telling(said) == told
