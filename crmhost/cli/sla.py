"""`crmhost sla`: the figures of a period from files alone."""

from __future__ import annotations

import json
from pathlib import Path

import click

from crm.errors import CrmhostError
from crmhost.cli.options import examples
from crmhost.fleet import parse_file
from crmhost.output import table


@click.command(
    epilog=examples(
        "crmhost sla contracts/acme.yaml evidence.jsonl --period 2026-10",
        "crmhost sla contracts/acme.yaml evidence.jsonl --period 1405-07 --json",
    )
)
@click.argument("contract", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("evidence", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--period", required=True, help="2026-10, 1405-07 (Jalali), or a cycle's first instant.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def command(contract: Path, evidence: Path, period: str, as_json: bool) -> None:
    """Recompute a period's availability and credit, offline: the same arithmetic that settles it.

    EVIDENCE is JSON Lines, one span or exclusion a line, as `crmhost evidence` prints it.
    """
    from monitor.evidence import read
    from monitor.sla.output import as_json as figures
    from monitor.sla.output import rows
    from monitor.sla.recompute import recompute

    parsed = parse_file(contract, str(contract))
    if parsed.contract is None:
        found = "\n".join(str(problem) for problem in parsed.errors)
        raise CrmhostError(found, f"Mend these: crmhost check {contract}")
    settlement = recompute(parsed.contract, read(evidence), period)
    if as_json:
        click.echo(json.dumps(figures(settlement), ensure_ascii=False))
    else:
        click.echo(table(("FIGURE", "VALUE"), rows(settlement)))
