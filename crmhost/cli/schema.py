"""`crmhost schema`: the JSON Schema of contract files, for editors."""

import json

import click

from crmhost.cli.options import examples


@click.command(epilog=examples("crmhost schema > contract.schema.json"))
def command() -> None:
    """Print the JSON Schema (2020-12) of contract files. `crmhost init` keeps a copy in the fleet."""
    from contract.schema import schema

    click.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
