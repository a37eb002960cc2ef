"""Evidence as files: what is read, what is refused and how, and that the quick way says what the strict way says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.errors import CrmhostError
from monitor.evidence import CustomerCause, Evidence, EvidenceError, Window, canonical, digest, parse, read
from monitor.evidence.shapes import Shapes
from monitor.evidence.strict import MAX_LINE, NotEvidence, record_of
from monitor.span import Span

SPAN = (
    '{"vantage": "hcm", "from": "2026-10-03T02:00:00.000000Z", "to": "2026-10-03T05:10:00.000000Z", '
    '"state": "down", "reason": "http-status-502"}'
)
START, END = 1_790_992_800_000_000, 1_791_004_200_000_000


def refused(raw: bytes) -> list[str]:
    with pytest.raises(EvidenceError) as caught:
        parse(raw, "e.jsonl")
    return str(caught.value).splitlines()


def test_the_line_of_the_design_is_a_span_and_is_written_as_it_was_read() -> None:
    found = parse(SPAN.encode(), "e.jsonl")
    assert found.spans == (Span("hcm", START, END, "down", "http-status-502"),)
    assert canonical(found) == f"{SPAN}\n".encode()


def test_exclusions_are_read_and_written() -> None:
    lines = (
        '{"exclusion": "maintenance", "from": "2026-10-03T02:00:00.000000Z", "to": "2026-10-03T05:10:00.000000Z", '
        '"announced": "1970-01-01T00:00:00.000007Z"}\n'
        '{"exclusion": "customer", "from": "2026-10-03T02:00:00.000000Z", "to": "2026-10-03T05:10:00.000000Z", '
        '"reason": "thẻ hết hạn"}\n'
    )
    found = parse(lines.encode(), "e.jsonl")
    assert found.maintenance == (Window(START, END, 7),)
    assert found.customer == (CustomerCause(START, END, "thẻ hết hạn"),)
    assert canonical(found) == lines.encode()


@pytest.mark.parametrize(
    "line",
    [
        SPAN.replace('": "', '":"').replace('", "', '","'),
        SPAN.replace(", ", " ,\t"),
        SPAN.replace("02:00:00.000000Z", "02:00:00Z"),
        SPAN.replace("02:00:00.000000Z", "09:00:00+07:00"),
        SPAN.replace('"hcm"', '"\\u0068cm"'),
        f"  {SPAN}\r",
        json.dumps(dict(reversed(json.loads(SPAN).items()))),
    ],
    ids=["compact", "spaced", "no decimals", "offset", "escaped", "carriage return", "other order"],
)
def test_the_same_in_another_spelling(line: str) -> None:
    assert parse(line.encode(), "e.jsonl") == parse(SPAN.encode(), "e.jsonl")


def test_a_reason_may_be_missing_or_null() -> None:
    for line in (SPAN.replace(', "reason": "http-status-502"', ""), SPAN.replace('"http-status-502"', "null")):
        assert parse(line.encode(), "e.jsonl").spans == (Span("hcm", START, END, "down"),)


def test_blank_lines_and_a_missing_last_line_end_are_nothing() -> None:
    assert parse(b"", "e.jsonl") == Evidence()
    assert len(parse(f"\n{SPAN}\n\n{SPAN}".encode(), "e.jsonl").spans) == 2


INVALID = {
    "no JSON": ("{", "no JSON (Expecting property name enclosed in double quotes at column 2)"),
    "no object": ("[1]", "[1] instead of an object"),
    "nothing of it": ("{}", "`vantage` is missing"),
    "unknown key": (SPAN.replace('"reason"', '"why"'), 'unknown key "why"'),
    "repeated key": (SPAN.replace('"reason"', '"state"'), '"state" is written twice'),
    "unknown state": (SPAN.replace('"down"', '"unknown"'), '`state` "unknown"; write up or down'),
    "no offset": (SPAN.replace("02:00:00.000000Z", "02:00:00.000000"), '`from` "2026-10-03T02:00:00.000000"'),
    "no such day": (SPAN.replace("-10-03T02", "-02-30T02"), '`from` "2026-02-30T02:00:00.000000Z"'),
    "seven decimals": (SPAN.replace("02:00:00.000000Z", "02:00:00.0000000Z"), "at most six decimals"),
    "a week's day": (SPAN.replace("2026-10-03T02", "2026-W40-6T02"), '`from` "2026-W40-6T02:00:00.000000Z"'),
    "a number": (SPAN.replace('"2026-10-03T02:00:00.000000Z"', "1790992800"), "`from` 1790992800"),
    "no time at all": (SPAN.replace("05:10", "02:00"), "is not before `to`"),
    "backwards": (SPAN.replace("05:10", "01:10"), "is not before `to`"),
    "no vantage": (SPAN.replace('"hcm"', '""'), '`vantage` ""'),
    "escape codes": (SPAN.replace("http-status-502", "\\u001b[2J"), '`reason` "\\u001b[2J"'),
    "unknown exclusion": ('{"exclusion": "weather"}', 'exclusion "weather"; write maintenance or customer'),
    "announced never": ('{"exclusion": "maintenance"}', "`announced` is missing"),
    "infinity": (SPAN.replace('"down"', "Infinity"), "`state` Infinity"),
    "nested": ("[" * 100_000, "a line of more than"),
    "nested too deep": ("[" * 10_000, "brackets nested too deep"),
}


@pytest.mark.parametrize(("line", "found"), INVALID.values(), ids=INVALID.keys())
def test_what_is_wrong_is_named_with_its_line_and_what_to_write(line: str, found: str) -> None:
    problems = refused(f"{SPAN}\n{line}\n{SPAN}\n".encode())
    assert all(problem.startswith("e.jsonl:2: ") for problem in problems)
    assert any(found in problem for problem in problems)
    assert all("; " in problem for problem in problems)


def test_every_problem_of_a_file_is_said_at_once_in_order() -> None:
    bad = '{"vantage": "", "from": 1, "to": 2, "state": "x", "colour": 1}'
    lines = [problem.split(": ")[0] for problem in refused(f"{bad}\n{SPAN}\n{{\n".encode())]
    assert lines == ["e.jsonl:1"] * 5 + ["e.jsonl:3"]


def test_bytes_that_are_no_utf_8_are_named() -> None:
    assert refused(SPAN.encode() + b"\n\xff\n") == ["e.jsonl:2: byte 0xff is no UTF-8; write the file in UTF-8"]


def test_a_line_without_end_is_refused_and_those_after_it_keep_their_numbers() -> None:
    long = b'{"vantage": "' + b"x" * (3 * 1024 * 1024) + b'"}'
    problems = refused(b"{\n" + long + b"\n{\n")
    assert [problem.split(": ")[0] for problem in problems] == ["e.jsonl:1", "e.jsonl:2", "e.jsonl:3"]
    assert f"more than {MAX_LINE} bytes" in problems[1]


def test_a_thousand_problems_are_counted_not_listed() -> None:
    problems = refused(b"{\n" * 1_000)
    assert len(problems) == 101
    assert problems[-1] == "e.jsonl: 900 more problems like these"


def test_blocks_are_cut_at_lines(tmp_path: Path) -> None:
    lines = [SPAN.replace("hcm", f"v{number % 7}") for number in range(6_000)]
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(lines))
    assert [span.vantage for span in read(path).spans] == [f"v{number % 7}" for number in range(6_000)]


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CrmhostError, match=r"e\.jsonl: cannot be read \(No such file or directory\)"):
        read(tmp_path / "e.jsonl")


def test_the_digest_is_of_the_bytes() -> None:
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


instants = st.sampled_from(
    [
        "2026-10-03T02:00:00.000000Z",
        "2026-10-03T02:00:00.000001Z",
        "2026-10-03T03:00:00Z",
        "2026-13-03T02:00:00.000000Z",
    ]
)
words = st.sampled_from(["hcm", "", "down", "up", "a\\nb", "a\nb", "é", "2026-10-03T02:00:00.000000Z", '"', "\\"])


@st.composite
def odd_lines(draw: st.DrawFn) -> str:
    """Nearly evidence: keys in any order, repeated or missing, values of the wrong kind, spellings of all sorts."""
    keys = draw(st.lists(st.sampled_from(["vantage", "from", "to", "state", "reason", "why"]), min_size=3, max_size=6))
    usual = ["vantage", "from", "to", "state", "reason"]
    pairs = []
    for key in draw(st.sampled_from([usual, usual, usual[:-1], keys])):
        value = draw(instants) if key in ("from", "to") else draw(words)
        value = draw(st.sampled_from([value, value, value, "up", "2026-10-03T02:00:00.000000Z"]))
        spelled = json.dumps(value, ensure_ascii=draw(st.booleans()))
        pairs.append(f'"{key}"{draw(st.sampled_from([": ", ":", " : "]))}{spelled}')
    line = "{" + draw(st.sampled_from([", ", ","])).join(pairs) + "}"
    cut = draw(st.sampled_from([0, 0, 0, 1, 20]))
    return line[cut:] + draw(st.sampled_from(["", "", "", line, " ", "}"]))


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(st.lists(odd_lines(), min_size=1, max_size=4))
def test_the_quick_way_gives_what_the_strict_way_gives_or_nothing(lines: list[str]) -> None:
    found = Shapes().spans_of("\n".join(lines))
    if found is None:
        return
    assert found == [record_of(line) for line in "\n".join(lines).split("\n") if line.strip()]


def test_the_quick_way_does_read_the_usual_form() -> None:
    without = SPAN.replace(', "reason": "http-status-502"', "")
    assert Shapes().spans_of(f"{SPAN}\n{without}\n{SPAN}\n") == [record_of(line) for line in (SPAN, without, SPAN)]


def test_an_instant_in_another_place_is_no_from_or_to() -> None:
    as_vantage = SPAN.replace('"hcm"', '"2026-10-03T02:00:00.000000Z"').replace('05:10:00.000000Z"', '05:10:00+00:00"')
    assert Shapes().spans_of(as_vantage) is None
    assert isinstance(record_of(as_vantage), Span)
    with pytest.raises(NotEvidence):
        record_of(SPAN.replace('"from"', '"to"', 1))
