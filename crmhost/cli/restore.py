"""`crmhost restore`: a backup comes back, or proves itself in a copy of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm.errors import CrmhostError, Refused
from crmhost.cli.options import as_json, contract_name, examples, local, open_fleet, sure
from crmhost.output import Reporter, reporter, table

if TYPE_CHECKING:
    from crm.backup import Contents
    from crmhost.fleet import Fleet


@click.command(
    epilog=examples(
        "crmhost restore acme --to scratch",
        "crmhost restore acme --backup acme-20261003T020000Z-0f3a7c1d9e22",
    )
)
@contract_name
@click.option(
    "--backup", help="Which one, by the id that `crmhost backup NAME list` shows. With --to scratch: the newest."
)
@click.option("--to", type=click.Choice(["scratch"]), help="Not here: to a copy of its own, which is removed again.")
@click.option("--no-backup", is_flag=True, help="Do not back up first what is there now.")
@click.option("--yes", is_flag=True, help="Do not ask whether what was written since may be lost.")
@local
@as_json
def command(name: str, as_json: bool, *, backup: str | None, to: str | None, no_backup: bool, yes: bool) -> int:
    """Put a backup back in the place of what is there; the maintenance page is shown meanwhile.

    It says which span of writes is lost and asks; what is there now is backed up first. With `--to scratch` nothing of
    the customer's is touched: a copy is brought up on the same host where nobody sees it, logged in to and counted,
    and removed; the backup counts as proven from then on.
    """
    from crmhost.backup.promise import refuse_other_kinds
    from crmhost.sequence import micros

    fleet = open_fleet()
    refuse_other_kinds(fleet.contract(name), micros())
    report = reporter(as_json=as_json)
    try:
        if to == "scratch":
            return _prove(fleet, name, backup, report)
        if backup is None:
            raise Refused(
                f"{name}: which backup? Nothing was done",
                f"Name one: --backup ID. crmhost backup {name} list shows them; --to scratch tries the newest.",
            )
        return _restore(fleet, name, backup, report, keep=not no_backup, yes=yes)
    finally:
        report.close()


def _restore(fleet: Fleet, name: str, backup: str, report: Reporter, *, keep: bool, yes: bool) -> int:
    from crmhost.backup.shelf import open_shelf
    from crmhost.backup.take import restore
    from crmhost.target import accept_on_terminal, open_target

    shelf = open_shelf(fleet, name)
    snapshot = shelf.find(backup)
    with open_target(fleet, name, accept_on_terminal(accept=False), report.event) as target:
        outcome = restore(target.driver, target.want, shelf, snapshot, target.means(sure(yes=yes)), keep=keep)
    done = outcome.did == "restored"
    text = (
        f"{name}: {backup} is back, {outcome.release} serves ({outcome.seconds:.1f} s)."
        if done
        else f"{name}: nothing was done."
    )
    report.result("outcome", outcome.fields(), text)
    return 0 if done else 1


def _prove(fleet: Fleet, name: str, backup: str | None, report: Reporter) -> int:
    from crmhost.backup.scratch import prove_backup, wish_of
    from crmhost.backup.shelf import open_shelf
    from crmhost.cli.backup import fields

    shelf = open_shelf(fleet, name)
    if backup is None:
        kept = shelf.list()
        if not kept:
            raise CrmhostError(f"{name}: there is no backup in {shelf.store.place}", f"Make one: crmhost backup {name}")
        backup = kept[0].id
    proof = prove_backup(wish_of(fleet, name, report.event), shelf, shelf.find(backup))
    found = proof.found
    report.result(
        "proof",
        {
            **fields(proof.snapshot),
            "login": "accepted",
            "counts": {"tables": dict(found.tables), "files": found.files, "bytes": found.bytes},
            "ran": proof.release.id,
            "seconds": round(proof.seconds, 3),
        },
        f"{_table(found)}\n{backup}: proven. A copy ran {proof.release.id}, its administrator came in, and all counts"
        f" are those of the backup; the copy is gone ({proof.seconds:.1f} s).",
    )
    return 0


def _table(found: Contents) -> str:
    rows = [(name, str(count)) for name, count in sorted(found.tables.items()) if count]
    empty = len(found.tables) - len(rows)
    return table(("TABLE", "ROWS"), [*rows, (f"{empty} empty tables", "0"), ("files", str(found.files))], right=(1,))
