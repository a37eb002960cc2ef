"""What a host prints of the records in a customer's SQLite database. Pure."""

from __future__ import annotations

import json

from crm.errors import HostError
from crm.steps import Records, state_of


def parse(text: str, db: str) -> Records:
    """Return the records that the host printed; raises HostError when the database could not be read."""
    try:
        raw = json.loads(text)
        error, schema = raw["error"], raw["schema"]
        steps = {str(name): state_of(row[0]) for name, row in raw["steps"].items()}
        records = Records(steps, None if schema is None else (schema[0], schema[1], schema[2]), int(raw["others"]))
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        raise HostError(
            f"{db}: its records of steps read {text[:200]!r}", "look at the table crmhost_steps"
        ) from problem
    if error is not None:
        raise HostError(f"{db} could not be read: {error}", "look at the file; nothing was changed")
    return records
