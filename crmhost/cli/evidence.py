"""`crmhost evidence`: what was measured, as JSON Lines."""

from __future__ import annotations

import click

from crm.errors import Refused
from crmhost.cli.options import contract_name, examples, open_fleet


@click.command(epilog=examples("crmhost evidence acme --period 2026-11 > evidence.jsonl"))
@contract_name
@click.option("--period", required=True, help="2026-11, 1405-08 (Jalali), or a cycle's first instant.")
def command(name: str, period: str) -> None:
    """Print every span and exclusion that bears on a period: what `crmhost sla` computes from."""
    from crmhost.ledger import open_store
    from monitor.evidence import canonical
    from monitor.sla.recompute import needed_since, terms_for
    from monitor.store.database import reading
    from monitor.store.evidence import evidence_of

    fleet = open_fleet()
    contract = fleet.contract(name)
    terms = terms_for(contract, period)
    margin = terms.sla.ignore_shorter_than + terms.sla.bridge_unknown
    with open_store(fleet) as engine, reading(engine) as connection:
        near = evidence_of(connection, name, terms.start, terms.end, margin)
        since = min(terms.start, needed_since(contract, near, period))
        found = canonical(evidence_of(connection, name, since, terms.end, margin))
    if not found:
        raise Refused(f"{name}: nothing was measured in {period} on this machine", "Is this where crmhost serve runs?")
    click.echo(found.decode(), nl=False)
