"""crmhost's records in the customer's database: which steps were begun and finished, and which schema it has.

They lie in the database itself, so a backup has the records that are true of it.
"""

from __future__ import annotations

from crm.errors import HostError
from crm.plan import Release
from crm.records import parse
from crm.steps import Records, State
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
