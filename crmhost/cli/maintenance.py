"""`crmhost maintenance`: windows that were announced early enough do not count as downtime."""

from __future__ import annotations

import click

from crmhost.cli.options import as_json, contract_name, examples, open_fleet
from crmhost.cli.windows import instant, show


@click.group(epilog=examples("crmhost maintenance list acme"))
def command() -> None:
    """Announce, cancel and list maintenance. Nothing can be entered for the past."""


@command.command(
    epilog=examples("crmhost maintenance announce acme --from 2026-12-05T22:00:00+07:00 --to 2026-12-05T23:00:00+07:00")
)
@contract_name
@click.option("--from", "start", required=True, type=instant, help="When it begins, with its offset from UTC.")
@click.option("--to", "end", required=True, type=instant, help="When it ends.")
@click.option("--reason", default="", help="What is done.")
def announce(name: str, start: int, end: int, reason: str) -> None:
    """Announce a window. Whether it counts is decided by the contract's notice when the period is settled."""
    from crmhost.ledger import now, open_store
    from monitor.store import exclusions
    from monitor.store.database import writing

    fleet = open_fleet()
    maintenance = contract.sla.maintenance if (contract := fleet.contract(name)).sla else None
    at = now()
    with open_store(fleet) as engine, writing(engine) as connection:
        entered = exclusions.announce(connection, name, exclusions.Window(start, end, reason), at)
    click.echo(f"maintenance {entered.number} of {name} is announced.")
    if maintenance is None:
        click.echo("note: the contract agrees no maintenance, so this window will count as downtime.")
    elif at + maintenance.notice > start:
        click.echo("note: this is later than the contract's notice, so the window will count as downtime.")


@command.command(epilog=examples("crmhost maintenance cancel 7"))
@click.argument("number", type=int)
def cancel(number: int) -> None:
    """Cancel a window that has not ended; one that has begun is cut short now."""
    from crmhost.ledger import now, open_store
    from monitor.store import exclusions
    from monitor.store.database import writing

    with open_store(open_fleet()) as engine, writing(engine) as connection:
        exclusions.cancel(connection, number, now())
    click.echo(f"maintenance {number} is cancelled.")


@command.command("list", epilog=examples("crmhost maintenance list", "crmhost maintenance list acme --json"))
@click.argument("name", required=False)
@as_json
def list_(name: str | None, as_json: bool) -> None:
    """List windows, cancelled ones too."""
    show("maintenance", name, as_json=as_json)
