"""`crmhost credits`: what is owed, and whether billing has it."""

from __future__ import annotations

import getpass
from typing import Any

import click

from crm.errors import CrmhostError
from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.fleet import Fleet
from crmhost.output import json_line, table


@click.group(epilog=examples("crmhost credits list", "crmhost credits deliver"))
def command() -> None:
    """List, show, deliver and reverse credits. A credit never changes; only another row takes it back."""


@command.command("list", epilog=examples("crmhost credits list", "crmhost credits list acme --json"))
@click.argument("name", required=False)
@as_json
def list_(name: str | None, as_json: bool) -> None:
    """List credits and reversals, with the state of their delivery."""
    rows = _rows(open_fleet(), name)
    if as_json:
        for row in rows:
            json_line("credit", **row)
        return
    head = ("NUMBER", "KEY", "OWED", "STATE", "RECEIPT")
    cells = [(str(row["number"]), row["key"], row["owed"], row["state"], row["receipt"] or "") for row in rows]
    click.echo(table(head, cells, right=(0,)) if cells else "no credits.")


@command.command(epilog=examples("crmhost credits show 12"))
@click.argument("number", type=int)
@as_json
def show(number: int, as_json: bool) -> None:
    """Show one credit and every state that its delivery has been in."""
    from contract.moment import instant_text
    from crmhost.ledger import open_store
    from monitor.ledger.deliveries import history
    from monitor.store.database import reading

    fleet = open_fleet()
    row = _row(fleet, number)
    with open_store(fleet) as engine, reading(engine) as connection:
        past = history(connection, number)
    if as_json:
        json_line("credit", **row, history=[{**one._asdict(), "at": instant_text(one.at)} for one in past])
        return
    click.echo(table(("FIELD", "VALUE"), [(key, str(value)) for key, value in row.items() if value is not None]))
    lines = [(instant_text(one.at), one.who, one.state, one.detail) for one in past]
    click.echo("\n" + table(("WHEN", "WHO", "STATE", "DETAIL"), lines))


@command.command(epilog=examples("crmhost credits deliver", "crmhost credits deliver 12 --retry"))
@click.argument("number", type=int, required=False)
@click.option("--retry", "decision", flag_value="retry", help="Try it now; its key is looked for in billing first.")
@click.option("--resend", "decision", flag_value="resend", help="You have seen that billing does NOT have it: send it.")
@click.option("--confirmed", "decision", flag_value="confirmed", help="You have seen that billing has it.")
def deliver(number: int | None, decision: str | None) -> int:
    """Deliver what is due now, or decide on one credit that waits or was refused.

    `crmhost serve` delivers by itself. Exit code 1 where something was not delivered.
    """
    from crmhost.ledger import adapters, now, open_store
    from monitor.billing.delivery import deliver_due
    from monitor.ledger import deliveries

    fleet = open_fleet()
    if (number is None) != (decision is None):
        raise CrmhostError(
            "a credit's number goes with --retry, --resend or --confirmed", "crmhost credits deliver --help"
        )
    with open_store(fleet) as engine:
        if number is not None and decision is not None:
            deliveries.decide(engine, number, decision, getpass.getuser(), now())  # type: ignore[arg-type] # click's flags
        done = deliver_due(engine, adapters(fleet), now)
    for one in done:
        click.echo(f"{one.key}: {one.state or 'taken over by another worker'}: {one.detail}")
    if not done:
        click.echo("nothing is due.")
    return 1 if any(one.state != "confirmed" for one in done) else 0


@command.command(epilog=examples('crmhost credits reverse 12 --why "paid by hand already, invoice 88"'))
@click.argument("number", type=int)
@click.option("--why", required=True, help="The reason, as the ledger keeps it.")
def reverse(number: int, why: str) -> None:
    """Take a credit back by a row of its own, which is delivered like a credit."""
    from crmhost.ledger import now, open_store
    from monitor.ledger.reversal import reverse as take_back

    fleet = open_fleet()
    _row(fleet, number)
    with open_store(fleet) as engine:
        note = take_back(engine, number, why, getpass.getuser(), now())
    click.echo(f"{note.key}: reverses {note.reverses}.")


def _row(fleet: Fleet, number: int) -> dict[str, Any]:
    for row in _rows(fleet, None):
        if row["number"] == number:
            return row
    raise CrmhostError(f"there is no credit {number}", "See their numbers: crmhost credits list")


def _rows(fleet: Fleet, name: str | None) -> list[dict[str, Any]]:
    from contract.moment import instant_text
    from crmhost.ledger import open_store
    from monitor.ledger.book import credits_of
    from monitor.ledger.deliveries import read_row
    from monitor.store.database import reading

    rows = []
    with open_store(fleet) as engine, reading(engine) as connection:
        for one in credits_of(connection, name):
            delivery = read_row(connection, one.id)
            owed = one.owed
            rows.append(
                {
                    "number": one.id,
                    "key": one.key,
                    "contract": one.contract,
                    "period": one.period,
                    "kind": one.kind,
                    "revision": one.revision,
                    "owed": f"{owed.seconds} s" if owed.unit == "service-time" else f"{owed.amount} {owed.currency}",
                    "reason": one.reason,
                    "created_at": instant_text(one.created_at),
                    "created_by": one.created_by,
                    "state": "not delivered" if delivery is None else delivery.state,
                    "attempts": 0 if delivery is None else delivery.attempts,
                    "last_error": None if delivery is None else delivery.last_error or None,
                    "receipt": None if delivery is None else delivery.receipt,
                }
            )
    return rows
