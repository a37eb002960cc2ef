"""`crmhost statement`: a period's signed statement, with what it was computed from."""

from __future__ import annotations

from pathlib import Path

import click

from crm.errors import CrmhostError
from crmhost.cli.options import as_json, contract_name, examples, open_fleet
from crmhost.output import json_line


@click.command(epilog=examples("crmhost statement acme 2026-11", "crmhost statement acme 2026-11 --out /tmp/acme"))
@contract_name
@click.argument("period")
@click.option("--revision", type=int, help="Default: the newest.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Default: statements/NAME/PERIOD.")
@as_json
def command(name: str, period: str, as_json: bool, revision: int | None, out: Path | None) -> None:
    """Write the statement, the evidence, the contract and the calendar, so that anybody can verify it offline."""
    from crmhost.ledger import open_store
    from monitor.pages.statement import page_of
    from monitor.shelf import export, find_statement
    from monitor.store.database import reading

    fleet = open_fleet()
    with open_store(fleet) as engine, reading(engine) as connection:
        kept = find_statement(connection, name, period, revision)
        if kept is None:
            raise CrmhostError(f"{name} {period}: there is no statement", "It is made when the period is settled.")
        label = period.replace(":", "") + (f"-r{kept.revision}" if kept.revision > 1 else "")
        folder = out or fleet.folder / "statements" / name / label
        path = export(connection, kept, folder)
        page = page_of(connection, kept, fleet.settings.statement_key)
    (folder / "statement.html").write_text(page, encoding="utf-8")
    key = fleet.settings.statement_key or ""
    if as_json:
        json_line("statement", contract=name, period=period, file=str(path), digest=kept.digest, key=key)
        return
    click.echo(f"{path}: revision {kept.revision}, {kept.digest}")
    click.echo(f"check it: crmhost verify {path} --key {key}")
