"""`crmhost check`: find every mistake in contract files."""

from __future__ import annotations

from pathlib import Path

import click

from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.fleet import parse_file
from crmhost.output import json_line


@click.command(epilog=examples("crmhost check", "crmhost check contracts/acme.yaml", "crmhost check --json"))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE…]")
@as_json
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Validate contract files: every mistake at once, with file, line, and what to write instead.

    Without FILE, all contracts of the fleet and its crmhost.yaml. Exit code 0: no mistake (there may be warnings); 1:
    at least one.
    """
    checked = [(path, str(path)) for path in files] or _of_fleet()
    errors = warnings = 0
    for path, shown in checked:
        parsed = parse_file(path, shown)
        errors += len(parsed.errors)
        warnings += len(parsed.warnings)
        for problem in parsed.problems:
            if as_json:
                json_line("problem", **problem.as_json())
            else:
                click.echo(str(problem))
    if as_json:
        json_line("check", files=len(checked), errors=errors, warnings=warnings)
    else:
        click.echo(f"{_count(len(checked), 'contract')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}.")
    return 1 if errors else 0


def _of_fleet() -> list[tuple[Path, str]]:
    fleet = open_fleet()
    _ = fleet.settings  # reading them is checking them
    return [(path, fleet.shown(path)) for path in map(fleet.contract_file, fleet.names())]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
