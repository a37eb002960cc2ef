"""Golden settlements: one file a situation, from a contract's text and evidence lines to the printed object.

A case gives what differs from a common contract. Evidence is written `VANTAGE up|down FROM TO [REASON]`,
`maintenance FROM TO ANNOUNCED` or `customer FROM TO REASON`; instants without an offset have that of `zone`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from contract.parse import parse as parse_contract
from monitor import evidence
from monitor.sla.output import as_json
from monitor.sla.recompute import recompute

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
COMMON: dict[str, Any] = {
    "contract": "case",
    "customer": {"name": "ACME Co."},
    "crm": {"recipe": "creme", "version": "2.8.6", "url": "https://crm.acme.example/"},
    "target": {"kind": "saas"},
    "term": {"signed": "2025-01-01", "accepted": "2026-01-01"},
    "sla": {
        "availability": "98 %",
        "period": {"every": "month", "calendar": "gregorian", "timezone": "Asia/Ho_Chi_Minh"},
        "credit": {"unit": "service-time", "formula": {"multiplier": "3", "of": "downtime"}},
    },
    "monitor": {"vantages": ["hcm"]},
}


def texts(value: Any) -> Any:  # noqa: ANN401 - whatever the case holds
    """Every scalar as the text that a contract file would have."""
    if isinstance(value, dict):
        return {key: texts(each) for key, each in value.items() if each is not None}
    return [texts(each) for each in value] if isinstance(value, list) else str(value)


def contract_text(case: dict[str, Any]) -> bytes:
    changed = {name: case[name] for name in ("term", "monitor", "billing", "amendments") if name in case}
    changed["term"] = {**COMMON["term"], **case.get("term", {})}
    sla = {**COMMON["sla"], **case.get("sla", {})}
    return json.dumps(texts({**COMMON, **changed, "sla": sla})).encode()


def evidence_text(case: dict[str, Any]) -> bytes:
    def at(written: str) -> str:
        return f"{written}{case.get('zone', '+07:00')}"

    lines = []
    for line in case["evidence"]:
        first, *rest = line.split()
        if first == "maintenance":
            said = {"exclusion": first, "from": at(rest[0]), "to": at(rest[1]), "announced": at(rest[2])}
        elif first == "customer":
            said = {"exclusion": first, "from": at(rest[0]), "to": at(rest[1]), "reason": rest[2]}
        else:
            said = {"vantage": first, "from": at(rest[1]), "to": at(rest[2]), "state": rest[0]}
            said |= {"reason": rest[3]} if len(rest) > 3 else {}
        lines.append(json.dumps(said))
    return "\n".join(lines).encode()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_settlement_is_that_of_the_case(path: Path) -> None:
    case = YAML(typ="safe", pure=True).load(path)
    parsed = parse_contract(contract_text(case), "case.yaml")
    assert parsed.contract is not None, list(parsed.errors)
    found = as_json(recompute(parsed.contract, evidence.parse(evidence_text(case), path.name), case["period"]))
    assert {name: found[name] for name in case["expect"]} == case["expect"]


def test_every_case_says_what_it_shows() -> None:
    assert len(CASES) >= 45
    for path in CASES:
        assert YAML(typ="safe", pure=True).load(path)["shows"]
