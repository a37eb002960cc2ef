"""`crmhost backup`: keep a contract's data, sealed, and see what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crmhost.cli.options import as_json, contract_name, examples, local, open_fleet
from crmhost.output import json_line, reporter, table

if TYPE_CHECKING:
    from crm.backup import Snapshot, Why
    from crmhost.fleet import Fleet


@click.command(epilog=examples("crmhost backup acme", "crmhost backup acme list", "crmhost backup acme prune"))
@contract_name
@click.argument("what", required=False, default="now", type=click.Choice(["now", "list", "prune"]))
@click.option("--scheduled", is_flag=True, hidden=True, help="As `serve` makes one: what may go is pruned afterwards.")
@local
@as_json
def command(name: str, what: str, as_json: bool, *, scheduled: bool) -> None:
    """Back up database, files and keys of a contract; customers go on working meanwhile.

    Backups are sealed with age for the fleet's recipients and kept where `backups.to` in crmhost.yaml says. `list`
    shows them; `prune` removes those past the contract's `data-protection.backup.keep`, never the newest one, the
    newest proven one, or the one that a rollback needs. `crmhost serve` makes those that the contract promises.
    """
    fleet = open_fleet()
    match what:
        case "list":
            _list(fleet, name, as_json=as_json)
        case "prune":
            _prune(fleet, name, as_json=as_json)
        case _:
            _now(fleet, name, as_json=as_json, scheduled=scheduled)


def _now(fleet: Fleet, name: str, *, as_json: bool, scheduled: bool) -> None:
    from crmhost.backup.promise import refuse_other_kinds
    from crmhost.backup.shelf import open_shelf
    from crmhost.backup.take import require_keys, take
    from crmhost.sequence import micros
    from crmhost.target import accept_on_terminal, open_target

    refuse_other_kinds(fleet.contract(name), micros())
    shelf = open_shelf(fleet, name)
    report = reporter(as_json=as_json)
    try:
        with open_target(fleet, name, accept_on_terminal(accept=False), report.event) as target:
            require_keys(fleet.vault, target.want)
            why: Why = "schedule" if scheduled else "asked"
            snapshot = take(target.driver, target.want, shelf, why, target.means())
    finally:
        report.close()
    report.result("backup", fields(snapshot), f"{snapshot.id}: {_held(snapshot)}, in {shelf.store.place}.")
    if scheduled:
        _prune(fleet, name, as_json=as_json)


def _list(fleet: Fleet, name: str, *, as_json: bool) -> None:
    from crmhost.backup.shelf import open_shelf

    fleet.contract(name)
    shelf = open_shelf(fleet, name)
    survey = shelf.survey()
    if as_json:
        for snapshot in survey.snapshots:
            json_line("backup", **fields(snapshot))
        for trouble in survey.troubles:
            json_line("trouble", contract=name, what=trouble)
        return
    for trouble in survey.troubles:
        click.echo(f"warning: {trouble}", err=True)
    if not survey.snapshots:
        click.echo(f"{name}: no backup in {shelf.store.place}.")
        return
    head = ("BACKUP", "TAKEN", "WHY", "RELEASE", "ROWS", "FILES", "SIZE", "PROVEN")
    click.echo(table(head, [_row(snapshot) for snapshot in survey.snapshots], right=(4, 5, 6)))


def _prune(fleet: Fleet, name: str, *, as_json: bool) -> None:
    from crmhost.backup.promise import promised
    from crmhost.backup.shelf import open_shelf
    from crmhost.sequence import micros

    promise = promised(fleet.contract(name), micros())
    pruned = open_shelf(fleet, name).prune(None if promise is None else promise.keep)
    removed = [snapshot.id for snapshot in pruned.snapshots]
    if as_json:
        json_line("pruned", contract=name, removed=removed, left_overs=pruned.left)
    elif promise is None:
        click.echo(f"{name}: promises no backups, so every one is kept.")
    else:
        click.echo("\n".join(f"{backup}: removed" for backup in removed) or f"{name}: nothing to remove.")


def fields(snapshot: Snapshot) -> dict[str, object]:
    """Return a backup for machines."""
    from contract.moment import instant_text

    return {
        "contract": snapshot.contract,
        "id": snapshot.id,
        "taken": instant_text(snapshot.taken),
        "why": snapshot.why,
        "release": snapshot.release.id,
        "schema": snapshot.release.schema,
        "size": snapshot.size,
        "sha256": snapshot.digest,
        "tables": len(snapshot.contents.tables),
        "rows": snapshot.contents.rows,
        "files": snapshot.contents.files,
        "proven": None if snapshot.proven is None else instant_text(snapshot.proven),
    }


def _row(snapshot: Snapshot) -> tuple[str, ...]:
    from contract.moment import short_text

    return (
        snapshot.id,
        short_text(snapshot.taken - snapshot.taken % 1_000_000),
        snapshot.why,
        snapshot.release.id,
        str(snapshot.contents.rows),
        str(snapshot.contents.files),
        _size(snapshot.size),
        "no" if snapshot.proven is None else short_text(snapshot.proven - snapshot.proven % 1_000_000),
    )


def _held(snapshot: Snapshot) -> str:
    held = snapshot.contents
    return f"{held.rows} rows of {len(held.tables)} tables and {held.files} files, {_size(snapshot.size)} sealed"


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count} {unit}"
        count //= 1000
    return f"{count} TB"
