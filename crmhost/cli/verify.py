"""`crmhost verify`: check a statement."""

from __future__ import annotations

from pathlib import Path

import click

from crm.errors import Refused
from crmhost.cli.options import as_json, examples
from crmhost.files import read_text
from crmhost.fleet import parse_file
from crmhost.output import json_line


@click.command(
    epilog=examples("crmhost verify statement.json --key 3b6a27bc…", "crmhost verify statement.json --key key.pub")
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--key", help="The public key that you were given with the contract, or a file with it.")
@click.option("--contract", type=click.Path(path_type=Path, dir_okay=False), help="YOUR copy, which pins the key.")
@click.option(
    "--previous", type=click.Path(path_type=Path, dir_okay=False), help="The statement before, for the chain."
)
@as_json
def command(file: Path, as_json: bool, key: str | None, contract: Path | None, previous: Path | None) -> int:
    """Check a statement offline: its form, its signature, its evidence, and the arithmetic, all computed again.

    evidence.jsonl, contract.yaml and calendar.json lie beside it. Exit code 0: it is true. 1: it is not, and why.
    """
    from monitor.statement.verify import verify_files

    verdict = verify_files(file, _key(key, contract), previous)
    if as_json:
        json_line(
            "verdict",
            file=str(file),
            accepted=verdict.accepted,
            reason=verdict.reason,
            checked=list(verdict.checked),
            chained=verdict.chained,
        )
        return 0 if verdict.accepted else 1
    for one in verdict.checked:
        click.echo(f"  ✓ {one}")
    if verdict.accepted:
        click.echo(f"{file}: verified." + ("" if verdict.chained else " Its place in the chain was not looked at."))
        return 0
    click.echo(f"  ✗ {verdict.reason}")
    click.echo(f"{file}: NOT verified.")
    return 1


def _key(key: str | None, contract: Path | None) -> str:
    """Return the key that the reader trusts: the one that he names, or that his own copy of the contract pins."""
    if key is not None:
        return read_text(Path(key)) if len(key) < 64 and Path(key).is_file() else key
    if contract is None:
        raise Refused("--key or --contract is missing; a key that comes with the statement proves nothing")
    parsed = parse_file(contract, str(contract)).contract
    if parsed is None or parsed.billing is None or parsed.billing.statement_key is None:
        raise Refused(f"{contract}: pins no key: billing.statement-key is absent", "Give it: --key …")
    return parsed.billing.statement_key
