"""`crmhost exclude`: downtime that the customer caused."""

from __future__ import annotations

import click

from crmhost.cli.options import as_json, contract_name, examples, open_fleet
from crmhost.cli.windows import instant, show


@click.group(epilog=examples("crmhost exclude list acme"))
def command() -> None:
    """Enter, cancel and list what the customer caused, with the reason that the statement will show."""


@command.command(
    epilog=examples(
        "crmhost exclude add acme --from 2026-11-03T09:00:00+07:00 --to 2026-11-03T09:40:00+07:00 "
        '--reason "their firewall, ticket 4711"'
    )
)
@contract_name
@click.option("--from", "start", required=True, type=instant, help="When it began, with its offset from UTC.")
@click.option("--to", "end", required=True, type=instant, help="When it ended.")
@click.option("--reason", required=True, help="What the customer did, and where that is written down.")
def add(name: str, start: int, end: int, reason: str) -> None:
    """Enter a window that the customer caused."""
    from crmhost.ledger import now, open_store
    from monitor.store import exclusions
    from monitor.store.database import writing

    fleet = open_fleet()
    fleet.contract(name)
    with open_store(fleet) as engine, writing(engine) as connection:
        entered = exclusions.exclude(connection, name, exclusions.Window(start, end, reason), now())
    click.echo(f"exclusion {entered.number} of {name} is entered.")


@command.command(epilog=examples("crmhost exclude cancel 8"))
@click.argument("number", type=int)
def cancel(number: int) -> None:
    """Take an exclusion back. A period that was settled stays as it is."""
    from crmhost.ledger import now, open_store
    from monitor.store import exclusions
    from monitor.store.database import writing

    with open_store(open_fleet()) as engine, writing(engine) as connection:
        exclusions.cancel(connection, number, now())
    click.echo(f"exclusion {number} is cancelled.")


@command.command("list", epilog=examples("crmhost exclude list", "crmhost exclude list acme --json"))
@click.argument("name", required=False)
@as_json
def list_(name: str | None, as_json: bool) -> None:
    """List exclusions, cancelled ones too."""
    show("customer", name, as_json=as_json)
