"""What `maintenance` and `exclude` share: reading instants, and listing windows."""

from __future__ import annotations

from typing import Literal

import click
from pydantic_core import PydanticCustomError

from contract.moment import instant as exact_instant
from contract.moment import instant_text
from crmhost.cli.options import open_fleet
from crmhost.output import json_line, table


def instant(text: str) -> int:
    """Return the microseconds of an instant with an offset; click shows the remedy for any other text."""
    try:
        return exact_instant(text)
    except PydanticCustomError as error:
        raise click.BadParameter(error.message()) from error


def show(kind: Literal["maintenance", "customer"], name: str | None, *, as_json: bool) -> None:
    """List the windows of one kind, of one contract or of all."""
    from crmhost.ledger import open_store
    from monitor.store.database import reading
    from monitor.store.exclusions import listed

    with open_store(open_fleet()) as engine, reading(engine) as connection:
        found = [one for one in listed(connection, name) if one.kind == kind]
    rows = [
        (
            str(one.number),
            one.contract,
            instant_text(one.start),
            instant_text(one.end),
            instant_text(one.announced),
            "cancelled" if one.cancelled else "stands",
            one.reason,
        )
        for one in found
    ]
    head = ("NUMBER", "CONTRACT", "FROM", "TO", "ENTERED", "STATE", "REASON")
    if as_json:
        for one, row in zip(found, rows, strict=True):
            named = dict(zip((word.lower() for word in head), row, strict=True))
            json_line(kind, **{**named, "number": one.number})
        return
    click.echo(table(head, rows) if rows else "none.")
