"""crmhost's records in the customer's database: which steps were begun and finished, and which schema it has.

They lie in the database itself, so a backup has the records that are true of it.
"""

from __future__ import annotations

import json

from crm.errors import HostError
from crm.plan import Release
from crm.steps import Records, State, state_of
from infra import psql
from infra.engine.engine import Engine
from infra.naming import DATABASE_NAME

_ABSENT = f'database "{DATABASE_NAME}" does not exist'.encode()
"""What a kill between the removal of a database and the making of the next one leaves."""


def read(engine: Engine, contract: str) -> Records:
    """Return what the customer's database says; an empty one says nothing, and so does one that is not made yet.

    Raises HostError when PostgreSQL is not up.
    """
    output = psql.attempt(engine, contract, "records")
    if output.code == 0:
        return parse(output.said, contract)
    if _ABSENT in output.stderr:
        return Records({})
    raise HostError(
        f"{contract}: its records of steps could not be read: {psql.complaint(output)}",
        psql.remedy(contract),
    )


def mark(engine: Engine, contract: str, name: str, state: State, release: Release, *, reached: bool = False) -> None:
    """Write one record, in one transaction that has reached the disk.

    name: see `crm.steps.key`. reached: with it the database has the release's schema, whatever it had before.
    """
    psql.run(
        engine,
        contract,
        "mark",
        name=name,
        state=state,
        release=release.id,
        recipe=release.recipe,
        version=release.version,
        schema=release.schema,
        reached="yes" if reached else "no",
    )


def forget_release(engine: Engine, contract: str, release_id: str) -> None:
    """Forget what was derived for a release: its files are gone, or are made anew."""
    psql.run(engine, contract, "forget", release=release_id)


def parse(text: str, contract: str) -> Records:
    """Return the records that the database printed; raises HostError for what is none of crmhost's. Pure."""
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
