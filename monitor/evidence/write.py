"""Evidence becomes its canonical JSON Lines: the bytes that a statement's digest is of."""

from __future__ import annotations

import hashlib
import json

from contract.moment import instant_text
from monitor.evidence.model import CustomerCause, Evidence, Record, Window


def line_of(record: Record) -> str:
    """Spell one record as its line, without the line's end."""
    fields = {"from": instant_text(record.start), "to": instant_text(record.end)}
    if isinstance(record, Window):
        fields = {"exclusion": "maintenance", **fields, "announced": instant_text(record.announced)}
    elif isinstance(record, CustomerCause):
        fields = {"exclusion": "customer", **fields, "reason": record.reason}
    else:
        fields = {"vantage": record.vantage, **fields, "state": record.state, "reason": record.reason}
    return json.dumps(fields, ensure_ascii=False)


def canonical(evidence: Evidence) -> bytes:
    """Spell evidence so that the same records are the same bytes: every record once, spans by time, then exclusions."""
    spans = sorted(set(evidence.spans), key=lambda span: (span.start, span.end, span.vantage, span.state, span.reason))
    records: list[Record] = [*spans, *sorted(set(evidence.maintenance)), *sorted(set(evidence.customer))]
    return "".join(f"{line_of(record)}\n" for record in records).encode()


def digest(raw: bytes) -> str:
    """Return the digest of a file's bytes: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
