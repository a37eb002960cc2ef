"""`crmhost check`: find every mistake in contract files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from contract.explain import line_of
from contract.problem import Problem, path_text, quoted
from contract.source import read
from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.fleet import Fleet, parse_file
from crmhost.output import json_line
from crmhost.samename import REMEDIES, Shared, shared
from crmhost.sequence import micros


@click.command(epilog=examples("crmhost check", "crmhost check contracts/acme.yaml", "crmhost check --json"))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE…]")
@as_json
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Validate contract files: every mistake at once, with file, line, and what to write instead.

    Without FILE, all contracts of the fleet, together, and its crmhost.yaml. Exit code 0: no mistake (there may be
    warnings); 1: at least one.
    """
    problems = _in_each([(path, str(path)) for path in files]) if files else _of_fleet()
    told = [problem for every in problems for problem in every]
    errors = sum(problem.severity == "error" for problem in told)
    warnings = len(told) - errors
    for problem in told:
        if as_json:
            json_line("problem", **problem.as_json())
        else:
            click.echo(str(problem))
    if as_json:
        json_line("check", files=len(problems), errors=errors, warnings=warnings)
    else:
        click.echo(f"{_count(len(problems), 'contract')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}.")
    return 1 if errors else 0


def _in_each(files: Sequence[tuple[Path, str]]) -> list[Sequence[Problem]]:
    return [parse_file(path, shown).problems for path, shown in files]


def _of_fleet() -> list[Sequence[Problem]]:
    """Return the problems of each contract of the fleet, among them those that it has with the others."""
    fleet = open_fleet()
    _ = fleet.settings  # reading them is checking them
    files = {name: fleet.contract_file(name) for name in fleet.names()}
    parsed = {name: parse_file(path, fleet.shown(path)) for name, path in files.items()}
    between: dict[str, list[Problem]] = {name: [] for name in files}
    for one in shared([each.contract for each in parsed.values() if each.contract is not None], micros()):
        between[one.contract].append(_between(one, files[one.contract], fleet))
    return [(*parsed[name].problems, *between[name]) for name in files]


def _between(one: Shared, path: Path, fleet: Fleet) -> Problem:
    root = read(path.read_bytes(), path.name).root
    found = f"{quoted(one.url)}, whose site {fleet.shown(fleet.contract_file(one.other))} has too"
    line = 1 if root is None else line_of(root, one.path)
    return Problem(fleet.shown(path), line, path_text(one.path), found, REMEDIES[one.severity], one.severity)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
