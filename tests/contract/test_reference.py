"""The page on the contract file: it names every key of the grammar, no other one, and says truly what is not kept."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.schema import schema

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "contract.md"
MADE = schema()
ROW = re.compile(r"\| \**`([a-z0-9.\[\]-]+)`\** \|(.*)\|([^|]*)\|")


def keys(definition: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Yield every path below a definition with its default; an amendment's sections are not opened."""
    for key, value in definition.get("properties", {}).items():
        here = f"{path}{key}"
        yield here, value.get("default")
        if not here.startswith("amendments[]."):
            yield from inner(value, here)


def inner(value: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Yield what lies below one value: in its mapping, in every form that it may have, in its items."""
    if "$ref" in value:
        yield from keys(MADE["$defs"][value["$ref"].rpartition("/")[2]], f"{path}.")
    for form in (*value.get("anyOf", ()), *value.get("oneOf", ())):
        yield from inner(form, path)
    if "items" in value:
        yield from inner(value["items"], f"{path}[]")


GRAMMAR = sorted({path for path, _ in keys(MADE, "")})
DEFAULTS = sorted({(path, default) for path, default in keys(MADE, "") if default not in {None, ""}})


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, str]]:
    """Return what the page's tables of keys say, by path: the row's text, and its last column."""
    text = PAGE.read_text("utf-8").partition("\n## What check refuses\n")[0]
    found = [match for line in text.splitlines() if (match := ROW.fullmatch(line.strip()))]
    of_keys = [match for match in found if match[1] in GRAMMAR or "." in match[1]]
    assert len({match[1] for match in of_keys}) == len(of_keys), "a key has two rows"
    return {match[1]: (match[2], match[3].strip()) for match in of_keys}


def test_every_key_of_the_grammar_has_a_row_and_every_row_a_key(rows: dict[str, tuple[str, str]]) -> None:
    assert len(GRAMMAR) > 100
    assert sorted(rows) == GRAMMAR


@pytest.mark.parametrize(("path", "default"), DEFAULTS)
def test_a_row_names_its_default(rows: dict[str, tuple[str, str]], path: str, default: object) -> None:
    written = str(default).lower() if isinstance(default, bool) else str(default)
    assert f"`{written}`" in rows[path][0]


def warned_of(name: str) -> list[str]:
    """The promises of an odd contract that check says are not kept."""
    golden = (HERE / "odd" / f"{name}.txt").read_text("utf-8")
    return re.findall(r"warning: (\S+): found a promise that crmhost does not keep yet", golden)


def test_what_is_not_kept_is_what_check_warns_of(rows: dict[str, tuple[str, str]]) -> None:
    promises, in_the_cloud = warned_of("promises-not-kept"), warned_of("cloud-promises")
    anywhere = {path for case in (HERE / "odd").glob("*.txt") for path in warned_of(case.stem)}
    assert len(promises) > 20
    claimed = {path for path, (_, kept) in rows.items() if kept in {"no", "some"} and not path.startswith("amendments")}
    for path in anywhere:
        said = {rows[below][1] for below in rows if below == path or below.startswith((f"{path}.", f"{path}["))}
        assert said in ({"no"}, {"some"}), path
    assert {rows[path][1] for path in in_the_cloud} == {"no"}
    for path in claimed:
        warned = any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in anywhere)
        assert warned or any(one.startswith(f"{path}.") for one in anywhere), path
