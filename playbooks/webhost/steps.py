"""What a host prints of the records in a customer's SQLite database. Pure."""

from __future__ import annotations

import json

from crm.errors import HostError
from crm.steps import Records, state_of


def parse(text: str, db: str, remedy: str = "look at the file; nothing was changed") -> Records:
    """Return the records that the host printed; raises HostError when the database could not be read.

    remedy: what to do then.
    """
    try:
        raw = json.loads(text)
        error, schema = raw["error"], raw["schema"]
        steps = {str(name): state_of(row[0]) for name, row in raw["steps"].items()}
        made = None if schema is None else (str(schema[0]), str(schema[1]), str(schema[2]))
        trial = raw.get("trial")
        copy = None if trial is None else (str(trial[0]), str(trial[1]))
        records = Records(steps, made, int(raw["others"]), trial=copy)
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        raise HostError(
            f"{db}: its records of steps read {text[:200]!r}", "look at the table crmhost_steps"
        ) from problem
    if error is not None:
        raise HostError(f"{db} could not be read: {error}", remedy)
    return records
