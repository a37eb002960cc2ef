"""The page on the arithmetic: its worked example gives what it shows, and its reasons are all that there are."""

import json
import re
from pathlib import Path

from contract.parse import parse
from monitor.evidence import parse as read_evidence
from monitor.probe.reason import Reason
from monitor.sla.output import as_json, rows
from monitor.sla.recompute import recompute

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "sla.md").read_text("utf-8")
EXAMPLE = PAGE.partition("\n## A worked example\n")[2]


def block(language: str, number: int) -> str:
    """Return a fenced block of the worked example; those of a language are counted from 0."""
    return str(re.findall(rf"```{language}\n(.*?)```", EXAMPLE, re.DOTALL)[number])


def test_the_worked_example_gives_what_the_page_shows() -> None:
    contract = parse(block("yaml", 0).encode(), "acme.yaml").contract
    assert contract is not None
    settlement = recompute(contract, read_evidence(block("json", 0).encode(), "evidence.jsonl"), "2026-10")
    assert as_json(settlement) == json.loads(block("json", 1))
    shown = [tuple(re.split(r" {2,}", line, maxsplit=1)) for line in block("text", 0).splitlines()[2:]]
    assert shown == rows(settlement)


def test_the_lines_that_it_shows_are_evidence() -> None:
    lines = PAGE.partition("\n## Evidence files\n")[2].partition("```json\n")[2].partition("```")[0]
    found = read_evidence(lines.encode(), "evidence.jsonl")
    assert (len(found.spans), len(found.maintenance), len(found.customer)) == (1, 1, 1)


def test_it_names_every_reason() -> None:
    table = PAGE.partition("**Reasons**")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z-]+)`", table))
    assert named == {reason.value for reason in Reason}
