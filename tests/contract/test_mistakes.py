"""Every mistake has its exact message, with file, line, place, what was found and what to write."""

from pathlib import Path

import pytest

from contract.parse import parse, read_file
from contract.source import MAX_BYTES
from tests.support.contracts import HEAD

HERE = Path(__file__).parent
INVALID = sorted((HERE / "invalid").glob("*.yaml"))
ODD = sorted((HERE / "odd").glob("*.yaml"))


def test_there_are_at_least_sixty_mistakes() -> None:
    assert len(INVALID) >= 60


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_a_mistake_is_refused_with_its_exact_messages(path: Path) -> None:
    parsed = parse(path.read_bytes(), path.name)
    assert "".join(f"{problem}\n" for problem in parsed.problems) == path.with_suffix(".txt").read_text()
    assert parsed.contract is None
    assert parsed.errors


@pytest.mark.parametrize("path", ODD, ids=lambda path: path.stem)
def test_what_is_odd_or_not_kept_yet_is_a_warning_and_no_error(path: Path) -> None:
    parsed = parse(path.read_bytes(), path.name)
    assert "".join(f"{problem}\n" for problem in parsed.problems) == path.with_suffix(".txt").read_text()
    assert parsed.contract is not None
    assert parsed.warnings


@pytest.mark.parametrize("folder", ["invalid", "odd"])
def test_every_expectation_has_its_file(folder: str) -> None:
    expected = {path.stem for path in (HERE / folder).glob("*.txt")}
    assert expected == {path.stem for path in (HERE / folder).glob("*.yaml")}


def test_a_file_of_one_megabyte_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_bytes(HEAD.encode() + b"# " + b"x" * 1_000_000 + b"\n")
    # one byte more than the limit is read, so that is what is found
    assert [str(problem) for problem in read_file(path).problems] == [
        f"{path}:1: found a file of {MAX_BYTES + 1} bytes; a contract has at most {MAX_BYTES} bytes: shorten it"
    ]


def test_the_largest_file_is_read() -> None:
    text = HEAD.encode()
    filled = text + b"#" * (MAX_BYTES - len(text))
    assert parse(filled, "acme.yaml").contract is not None
    assert parse(filled + b"#", "acme.yaml").contract is None


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    expected = f"{path}:1: found no file to read (No such file or directory); name a contract file"
    assert [str(problem) for problem in read_file(path).problems] == [expected]


def test_a_file_without_a_name_may_have_any_id() -> None:
    assert parse(HEAD.encode(), "-").contract is not None


def test_a_problem_as_json_has_every_part() -> None:
    (problem,) = parse(HEAD.replace("2.8.6", "latest").encode(), "acme.yaml").errors
    assert problem.as_json() == {
        "severity": "error",
        "file": "acme.yaml",
        "line": 3,
        "path": "crm.version",
        "found": "'latest'",
        "remedy": "write one exact version, as in 2.8.6",
    }


def test_what_a_file_says_is_escaped_in_messages() -> None:
    text = HEAD.replace("2.8.6", '"\\e[31mred"')
    (problem,) = parse(text.encode(), "acme.yaml").errors
    assert problem.found == "'\\x1b[31mred'"


def test_a_key_is_escaped_in_the_place_too() -> None:
    text = HEAD + '"\\e[31mred\\nkey": 1\n'
    (problem,) = parse(text.encode(), "acme.yaml").errors
    assert str(problem).startswith("acme.yaml:5: \\x1b[31mred\\x0akey: found the unknown key '\\x1b[31mred\\x0akey'; ")


def test_an_amendment_is_not_blamed_for_what_was_wrong_before_it() -> None:
    text = HEAD + "sla: {availability: 101 %, period: {every: month, timezone: UTC}}\n"
    text += "amendments: [{from: 2026-07-01, sla: {unknown: up}}]\n"
    errors = parse(text.encode(), "acme.yaml").errors
    assert [problem.path for problem in errors] == ["sla.availability"]
