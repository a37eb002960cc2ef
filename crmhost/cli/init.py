"""`crmhost init`: a fleet, or a contract in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from crm.errors import CrmhostError, Refused
from crmhost.cli.options import examples
from crmhost.files import write_private
from crmhost.fleet import SETTINGS, Fleet, find_fleet

SCHEMA = "contract.schema.json"


@click.command(
    epilog=examples(
        "crmhost init acme --recipe creme --target webhost --host web1.example --user acme --listen 127.0.0.1:8100",
        'crmhost init acme --set "sla.availability=99.9 %" --set "term.signed=2026-01-10"',
        "crmhost init zoho-acme --recipe zoho --target saas",
        "crmhost init --company 'Example Hosting' --set serve.listen=127.0.0.1:9464",
    )
)
@click.argument("name", required=False)
@click.option("--recipe", default="creme", show_default=True, help="The CRM: crmhost recipes")
@click.option("--crm-version", help="Its version. Default: the newest that the recipe knows.")
@click.option("--target", help="webhost, lan, cloud or saas. Default: webhost; of what is only measured: saas.")
@click.option("--host", default="web.example", help="The host, as SSH reaches it.")
@click.option("--port", type=click.IntRange(1, 65535), help="SSH's port, where it is not 22.")
@click.option("--user", default="", help="The account on it. Default: NAME.")
@click.option("--listen", default="", help="The loopback address where the host expects the CRM, as 127.0.0.1:8100.")
@click.option("--url", default="", help="What the customer opens.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Any other key, by its dotted path.")
@click.option("--replace", is_flag=True, help="Write over a contract that is there already.")
@click.option("--company", default="Example Hosting", help="With a new fleet: the hosting company's name.")
def command(
    name: str | None,
    sets: tuple[str, ...],
    company: str,
    recipe: str,
    crm_version: str | None,
    *,
    replace: bool,
    **options: str | int | None,
) -> None:
    """Write contracts/NAME.yaml, commented, with its schema's modeline, and the fleet around it if there is none.

    Without NAME, only the fleet. The contract passes `crmhost check`; nothing is deployed before `term.signed`.
    """
    fleet = _fleet(name, company, sets)
    if name is None:
        return
    path = fleet.contract_file(name)
    if path.exists() and not replace:
        raise Refused(f"{path}: is there already", "Edit it, or write over it with --replace.")
    text = _contract(name, recipe, crm_version, sets, options)
    _write_schema(fleet)
    write_private(path, text.encode(), mode=0o644)
    click.echo(f"{fleet.shown(path)}: written. Next: edit it, crmhost check, crmhost plan {name}")


def _fleet(name: str | None, company: str, sets: tuple[str, ...]) -> Fleet:
    from crmhost.newfleet import create_fleet

    named = click.get_current_context().find_root().obj
    here = Path.cwd() if named is None else Path(named)
    if name is not None:
        try:
            return find_fleet(named, Path.cwd(), os.environ)
        except CrmhostError:
            if (here / SETTINGS).exists():
                raise
    here.mkdir(parents=True, exist_ok=True)
    fleet = create_fleet(here, company, sets if name is None else (), os.environ)
    click.echo(f"{fleet.folder / SETTINGS}: a new fleet; its secrets are encrypted for {fleet.settings.recipients[0]}")
    return fleet


def _contract(name: str, recipe: str, version: str | None, sets: tuple[str, ...], options: Mapping[str, Any]) -> str:
    from contract.scaffold import BadOption, Options, scaffold
    from crm.catalogue import find_any
    from crm.measured import Measured
    from crm.recipe import Http

    known = find_any(recipe)
    if isinstance(known, Measured):
        if options["target"] not in (None, "saas") or version:
            raise known.only_measured()
        pairs = [("monitor.path", known.path), ("monitor.expect.status", str(known.status))]
        pairs += [("monitor.expect.body", known.body)] if known.body else []
        options = {**options, "target": "saas", "url": options["url"] or known.url}
    else:
        pairs = [("monitor.path", known.ready.how.path)] if isinstance(known.ready.how, Http) else []
        version = version or known.versions[-1]
    for one in sets:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise CrmhostError(f"--set {one!r}: is no KEY=VALUE", 'As in --set "sla.availability=99.9 %"')
        pairs.append((key, value))
    chosen = Options(
        recipe=recipe,
        version=version or "",
        target=str(options["target"] or "webhost"),
        host=str(options["host"]),
        port=options["port"],
        user=str(options["user"]),
        listen=str(options["listen"]),
        url=str(options["url"]),
        schema=f"../{SCHEMA}",
        sets=tuple(pairs),
    )
    try:
        return scaffold(name, chosen)
    except BadOption as error:
        raise CrmhostError(str(error), "See: crmhost init --help, crmhost schema") from error


def _write_schema(fleet: Fleet) -> None:
    from contract.schema import schema

    path = fleet.folder / SCHEMA
    content = json.dumps(schema(), indent=2, ensure_ascii=False).encode() + b"\n"
    if not path.exists() or path.read_bytes() != content:
        write_private(path, content, mode=0o644)
