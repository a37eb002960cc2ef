from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from monitor.billing.message import message
from monitor.ledger.credit import Note, Owed

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "webhook.md").read_text()
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
SCHEMA: dict[str, Any] = next(block for block in BLOCKS if "$schema" in block)
EXAMPLE: dict[str, Any] = next(block for block in BLOCKS if "type" in block and "data" in block)

NOTE = Note(
    key="crd_acme_2026-10_1",
    kind="credit",
    contract="acme",
    customer="ACME Co.",
    account="C-1042",
    period="2026-10",
    starts=1_790_787_600_000_000,
    ends=1_793_466_000_000_000,
    revision=1,
    number=1,
    owed=Owed(unit="service-time", seconds=180_000),
    reason="availability below the target",
    created_at=1_793_556_000_000_000,
    extended_seconds=180_000,
    term_ends=1_819_911_600_000_000,
)


def test_the_example_of_the_documentation_is_what_is_sent() -> None:
    assert json.loads(message(NOTE)) == EXAMPLE


@pytest.mark.parametrize(
    "note",
    [
        NOTE,
        replace(NOTE, owed=Owed("money", amount="12.30", currency="USD"), term_ends=None, extended_seconds=0),
        replace(NOTE, key="rev_acme_2026-10_1", kind="reversal", reverses=NOTE.key, number=2),
        replace(NOTE, customer='"<ACME>\n', account="", reason="не оплачено"),
    ],
)
def test_every_message_keeps_the_published_schema(note: Note) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(message(note)), SCHEMA)


def test_the_schema_is_not_empty() -> None:
    wrong = json.loads(message(NOTE))
    wrong["data"]["credit"]["amount"] = "1"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_the_same_note_is_the_same_bytes() -> None:
    assert message(NOTE) == message(replace(NOTE))
