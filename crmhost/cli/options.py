"""What the verbs share: options, examples in the help, and opening the fleet."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crmhost.fleet import Fleet, find_fleet

if TYPE_CHECKING:
    from crm.plan import Event

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """Return the epilog that shows examples, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def as_json(command: Decorated) -> Decorated:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="JSON Lines for machines instead of a table.")(command)


def contract_name(command: Decorated) -> Decorated:
    """Add the argument NAME."""
    return click.argument("name")(command)


def open_fleet() -> Fleet:
    """Return the fleet that --fleet names, or the nearest one upward; raises CrmhostError where there is none."""
    return find_fleet(click.get_current_context().find_root().obj, Path.cwd(), os.environ)


def quiet(event: Event) -> None:
    """Show no progress: what the verb prints is the answer itself."""
