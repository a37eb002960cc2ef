"""`crmhost check`: find every mistake in contract files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from contract.explain import Finding, line_of
from contract.parse import Parsed, found_at
from contract.problem import Problem, path_text, quoted
from contract.source import Mapping, read
from crmhost.catalogued import unknown
from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.fleet import parse_file
from crmhost.output import json_line
from crmhost.samename import REMEDIES, shared
from crmhost.sequence import micros


@click.command(epilog=examples("crmhost check", "crmhost check contracts/acme.yaml", "crmhost check --json"))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE…]")
@as_json
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Validate contract files: every mistake at once, with file, line, and what to write instead.

    Without FILE, all contracts of the fleet, together, and its crmhost.yaml. Exit code 0: no mistake (there may be
    warnings); 1: at least one.
    """
    problems = [_of_file(path, str(path), parse_file(path, str(path))) for path in files] if files else _of_fleet()
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


def _of_file(path: Path, shown: str, parsed: Parsed, among: Sequence[Finding] = ()) -> Sequence[Problem]:
    """Return the problems of one file. among: those that it has with others of its fleet."""
    if parsed.contract is None:
        return parsed.problems
    root = read(path.read_bytes(), path.name).root
    found = (*unknown(parsed.contract), *among)
    return (*parsed.problems, *(_located(one, root, shown) for one in found if root is not None))


def _of_fleet() -> list[Sequence[Problem]]:
    """Return the problems of each contract of the fleet, among them those that it has with the others."""
    fleet = open_fleet()
    _ = fleet.settings  # reading them is checking them
    files = {name: fleet.contract_file(name) for name in fleet.names()}
    parsed = {name: parse_file(path, fleet.shown(path)) for name, path in files.items()}
    among: dict[str, list[Finding]] = {name: [] for name in files}
    for one in shared([each.contract for each in parsed.values() if each.contract is not None], micros()):
        found = f"{quoted(one.url)}, whose site {fleet.shown(fleet.contract_file(one.other))} has too"
        among[one.contract].append(Finding(one.path, REMEDIES[one.severity], found, one.severity))
    return [_of_file(path, fleet.shown(path), parsed[name], among[name]) for name, path in files.items()]


def _located(one: Finding, root: Mapping, shown: str) -> Problem:
    return Problem(shown, line_of(root, one.path), path_text(one.path), found_at(one, root), one.remedy, one.severity)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
