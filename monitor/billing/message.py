"""What a billing webhook carries: the JSON of a credit, by the conventions of Standard Webhooks.

`docs/reference/webhook.md` is this module's page, with the JSON Schema.
"""

from __future__ import annotations

import json
from typing import Any

from contract.moment import instant_text
from monitor.ledger.credit import Note

GRANTED = "credit.granted"
REVERSED = "credit.reversed"


def message(note: Note) -> bytes:
    """Return the body of a note's webhook: the same bytes at every attempt."""
    owed: dict[str, Any] = {"unit": note.owed.unit}
    if note.owed.unit == "service-time":
        owed["seconds"] = note.owed.seconds
    else:
        owed |= {"amount": note.owed.amount, "currency": note.owed.currency}
    body = {
        "type": GRANTED if note.kind == "credit" else REVERSED,
        "timestamp": instant_text(note.created_at),
        "data": {
            "key": note.key,
            "reverses": note.reverses,
            "contract": note.contract,
            "customer": note.customer,
            "account": note.account,
            "number": note.number,
            "period": {"label": note.period, "from": instant_text(note.starts), "to": instant_text(note.ends)},
            "revision": note.revision,
            "credit": owed,
            "reason": note.reason,
            "term": {
                "extended_seconds": note.extended_seconds,
                "ends": None if note.term_ends is None else instant_text(note.term_ends),
            },
        },
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
