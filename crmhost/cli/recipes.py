"""`crmhost recipes`: the CRMs that can be hosted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crmhost.cli.options import as_json, examples
from crmhost.output import json_line, table

if TYPE_CHECKING:
    from crm.measured import Measured
    from crm.recipe import Recipe


@click.command(epilog=examples("crmhost recipes", "crmhost recipes creme"))
@click.argument("recipe", required=False)
@as_json
def command(recipe: str | None, as_json: bool) -> None:
    """List the CRMs, or explain one: where it runs, what it needs, how it is installed, and what of that was run."""
    from crm.catalogue import all_measured, all_recipes, explain, find_any
    from crm.measured import Measured, explain_measured

    if recipe is not None:
        one = find_any(recipe)
        rows = explain_measured(one) if isinstance(one, Measured) else explain(one)
        if as_json:
            json_line("recipe", **_listed(one), answers=dict(rows))
        else:
            click.echo(table(("QUESTION", "ANSWER"), rows))
        return
    known, measured = all_recipes(), all_measured()
    if as_json:
        for listed_one in [*map(_listed, known), *map(_listed, measured)]:
            json_line("recipe", **listed_one)
        return
    head = ("RECIPE", "CRM", "VERSIONS", "RUNS ON", "EVIDENCE", "LICENCE")
    listed = [
        (one.id, one.title, ", ".join(one.versions), ", ".join(one.targets), _known(one.evidence), one.licence)
        for one in known
    ]
    listed += [(one.id, one.title, "–", "measured only (saas)", _known(one.evidence), one.licence) for one in measured]
    click.echo(table(head, listed))


def _known(evidence: str) -> str:
    """Return how a recipe is known, which is the first word of its evidence: run, read or believed."""
    return evidence.partition(":")[0]


def _listed(recipe: Recipe | Measured) -> dict[str, Any]:
    from crm.measured import Measured

    if isinstance(recipe, Measured):
        return {"id": recipe.id, "title": recipe.title, "versions": [], "targets": ["saas"]}
    return {
        "id": recipe.id,
        "title": recipe.title,
        "versions": list(recipe.versions),
        "targets": list(recipe.targets),
    }
