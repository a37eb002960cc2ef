"""`crmhost destroy`: a customer's CRM leaves its host."""

from __future__ import annotations

import sys

import click

from crm.errors import Refused
from crmhost.cli.options import as_json, contract_name, examples, local, open_fleet
from crmhost.output import reporter


@click.command(epilog=examples("crmhost destroy acme", "crmhost destroy acme --keep-data"))
@contract_name
@click.option("--keep-data", is_flag=True, help="Leave the database and the uploads on the host.")
@click.option("--no-backup", is_flag=True, help="Make no backup first; with --keep-data or --lose-data.")
@click.option("--lose-data", is_flag=True, help="With --no-backup: no copy of the data is left anywhere.")
@click.option("--yes", is_flag=True, help="Do not ask for the contract's name.")
@local
@as_json
def command(name: str, as_json: bool, *, keep_data: bool, no_backup: bool, lose_data: bool, yes: bool) -> None:
    """Stop and remove everything of this contract on its host. The contract file and its secrets stay in the fleet.

    Where crmhost can make one, a backup is taken first, and named at the end.
    """
    from crmhost import deploy
    from crmhost.target import accept_on_terminal, open_target

    if no_backup and not (keep_data or lose_data):
        raise Refused(
            "--no-backup: without a backup the customer's data would be gone for ever; nothing was done",
            "Leave it out, or add --keep-data, or --lose-data if that is what you mean.",
        )
    if not yes:
        _confirm(name, keep_data=keep_data)
    report = reporter(as_json=as_json)
    what = deploy.Destroy(keep_data=keep_data, backup=not no_backup)
    try:
        with open_target(open_fleet(), name, accept_on_terminal(accept=False), report.event) as target:
            outcome = deploy.destroy(target.driver, target.want, what, target.means())
    finally:
        report.close()
    left = "its data is still on the host" if keep_data else "nothing of it is left on the host"
    saved = f"; backup {outcome.backup} has its data" if outcome.backup is not None else ""
    fields = {**outcome.fields(), "data_kept": keep_data}
    report.result("outcome", fields, f"{name}: removed; {left}{saved} ({outcome.seconds:.1f} s).")


def _confirm(name: str, *, keep_data: bool) -> None:
    if not sys.stdin.isatty():
        raise Refused("nobody is here to confirm it; nothing was done", "Add --yes.")
    lost = "its database and uploads stay" if keep_data else "its database and uploads are REMOVED there"
    if click.prompt(f"{name} is removed from its host; {lost}. Type the contract's name", err=True) != name:
        raise Refused("that was another name; nothing was done")
