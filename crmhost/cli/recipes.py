"""`crmhost recipes`: the CRMs that can be hosted."""

from __future__ import annotations

import click

from crmhost.cli.options import as_json, examples
from crmhost.output import json_line, table


@click.command(epilog=examples("crmhost recipes", "crmhost recipes creme"))
@click.argument("recipe", required=False)
@as_json
def command(recipe: str | None, as_json: bool) -> None:
    """List the CRMs, or explain one: where it runs, what it needs, how it is installed, and what of that was run."""
    from crm.catalogue import all_recipes, explain, find

    if recipe is not None:
        rows = explain(find(recipe))
        if as_json:
            json_line("recipe", id=recipe, **dict(rows))
        else:
            click.echo(table(("QUESTION", "ANSWER"), rows))
        return
    known = all_recipes()
    if as_json:
        for one in known:
            json_line("recipe", id=one.id, title=one.title, versions=list(one.versions), targets=list(one.targets))
        return
    head = ("RECIPE", "CRM", "VERSIONS", "RUNS ON", "LICENCE")
    listed = [(one.id, one.title, ", ".join(one.versions), ", ".join(one.targets), one.licence) for one in known]
    click.echo(table(head, listed))
