"""What the verbs share: options, examples in the help, and opening the fleet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crm.errors import Refused
from crmhost.fleet import Fleet, find_fleet

if TYPE_CHECKING:
    from crm.backup import Lost
    from crm.plan import Event
    from crmhost.sequence import Sure

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_LOCAL = "crmhost.local"


def examples(*lines: str) -> str:
    """Return the epilog that shows examples, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def as_json(command: Decorated) -> Decorated:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="JSON Lines for machines instead of a table.")(command)


def refresh(command: Decorated) -> Decorated:
    """Add `--refresh`."""
    return click.option(
        "--refresh", is_flag=True, help="On Docker hosts let Pulumi, too, look at every resource; others always do."
    )(command)


def local(command: Decorated) -> Decorated:
    """Add `--local`, which `open_fleet` heeds."""
    return click.option(
        "--local",
        is_flag=True,
        envvar="CRMHOST_LOCAL",
        expose_value=False,
        callback=_remember_local,
        help="This machine is the contract's host: work here, without SSH.",
    )(command)


def _remember_local(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 -- click's signature
    ctx.meta[_LOCAL] = value


def contract_name(command: Decorated) -> Decorated:
    """Add the argument NAME."""
    return click.argument("name")(command)


def open_fleet() -> Fleet:
    """Return the fleet that --fleet names, or the nearest one upward; raises CrmhostError where there is none."""
    context = click.get_current_context()
    fleet = find_fleet(context.find_root().obj, Path.cwd(), os.environ)
    return replace(fleet, local=context.meta.get(_LOCAL, False))


def sure(*, yes: bool) -> Sure:
    """Return what asks the person at the terminal whether writes may be lost; `yes`: they may."""

    def ask(lost: Lost) -> bool:
        click.echo(f"{lost}.", err=True)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise Refused("nobody is here to confirm what is lost; nothing was done", "Look at it, then add --yes.")
        return click.confirm("go back all the same?", err=True)

    return ask


def quiet(event: Event) -> None:
    """Show no progress: what the verb prints is the answer itself."""
