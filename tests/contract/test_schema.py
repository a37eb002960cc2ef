"""The JSON Schema: valid itself, true of every good file, and false of most bad ones."""

import json
from pathlib import Path

import jsonschema
import pytest

from contract.scaffold import Options, scaffold
from contract.schema import schema
from tests.support.contracts import as_editors_see

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE.parents[1] / "examples" / "contracts").glob("*.yaml"))
MADE = schema()
CHECKER = jsonschema.Draft202012Validator(MADE)


def test_it_is_a_schema_of_the_2020_12_dialect() -> None:
    jsonschema.Draft202012Validator.check_schema(MADE)
    assert MADE["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(MADE)) == MADE


@pytest.mark.parametrize("path", [*EXAMPLES, *sorted((HERE / "odd").glob("*.yaml"))], ids=lambda path: path.stem)
def test_it_is_true_of_what_check_accepts(path: Path) -> None:
    CHECKER.validate(as_editors_see(path))


def test_it_is_true_of_what_init_writes(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(scaffold("demo", Options()))
    CHECKER.validate(as_editors_see(path))


def test_it_is_false_of_most_mistakes_of_form() -> None:
    """Rules between values, dates that no calendar has and YAML's own mistakes are beyond a schema."""
    seen, refused = 0, 0
    for path in sorted((HERE / "invalid").glob("*.yaml")):
        try:
            content = as_editors_see(path)
        except AssertionError:
            continue
        seen += 1
        refused += not CHECKER.is_valid(content)
    assert seen >= 100
    assert refused / seen >= 0.6


def test_every_key_is_kebab_case_and_described() -> None:
    for name, definition in [("file", MADE), *MADE["$defs"].items()]:
        for key, value in definition.get("properties", {}).items():
            assert "_" not in key
            described = value.get("description") or any("description" in option for option in value.get("anyOf", ()))
            assert described, f"{name}.{key}"
        assert definition.get("additionalProperties", False) is False


def test_nothing_of_python_shows() -> None:
    text = json.dumps(MADE)
    assert '"null"' not in text
    assert "at_most" not in text
    assert "60000000" not in text
