"""What `crm/sql/records.sql` prints: crmhost's records in a customer's PostgreSQL. Pure."""

from __future__ import annotations

import json

from crm.errors import HostError
from crm.steps import Records, state_of


def parse(text: str, contract: str) -> Records:
    """Return the records that the database printed; raises HostError for what is none of crmhost's."""
    try:
        steps, schema, others = text.splitlines()
        found = {str(name): state_of(state) for name, state in json.loads(steps).items()}
        made = json.loads(schema)
        return Records(found, None if made is None else (str(made[0]), str(made[1]), str(made[2])), int(others))
    except (ValueError, AttributeError, TypeError, IndexError) as problem:
        raise HostError(
            f"{contract}: its records of steps read {text[:200]!r}",
            "Look at its tables crmhost_steps, crmhost_schema.",
        ) from problem
