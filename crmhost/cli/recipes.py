"""`crmhost recipes`: the CRMs that can be hosted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crmhost.cli.options import as_json, examples
from crmhost.output import json_line, table

if TYPE_CHECKING:
    from crm.recipe import Recipe


@click.command(epilog=examples("crmhost recipes", "crmhost recipes creme"))
@click.argument("recipe", required=False)
@as_json
def command(recipe: str | None, as_json: bool) -> None:
    """List the CRMs, or explain one: where it runs, what it needs, how it is installed, and what of that was run."""
    from crm.catalogue import all_recipes, explain, find

    if recipe is not None:
        one = find(recipe)
        rows = explain(one)
        if as_json:
            json_line("recipe", **_listed(one), answers=dict(rows))
        else:
            click.echo(table(("QUESTION", "ANSWER"), rows))
        return
    known = all_recipes()
    if as_json:
        for one in known:
            json_line("recipe", **_listed(one))
        return
    head = ("RECIPE", "CRM", "VERSIONS", "RUNS ON", "LICENCE")
    listed = [(one.id, one.title, ", ".join(one.versions), ", ".join(one.targets), one.licence) for one in known]
    click.echo(table(head, listed))


def _listed(recipe: Recipe) -> dict[str, Any]:
    return {
        "id": recipe.id,
        "title": recipe.title,
        "versions": list(recipe.versions),
        "targets": list(recipe.targets),
    }
