"""What `plan` and `deploy` share where they are about many contracts: the names, and the options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from crmhost.fleetwide.choose import many
from crmhost.fleetwide.schedule import DEFAULT_PARALLEL, MOST

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def contracts(command: Decorated) -> Decorated:
    """Add NAME…, `--all`, `--parallel` and `--fail-fast`."""
    for option in (
        click.option("--fail-fast", is_flag=True, help="After a failure begin nothing more; what runs is finished."),
        click.option(
            "--parallel",
            type=click.IntRange(1, MOST),
            default=DEFAULT_PARALLEL,
            show_default=True,
            help="How many contracts at once; a host may take fewer (a Docker host one run of Pulumi).",
        ),
        click.option("--all", "everything", is_flag=True, help="Every contract that is signed and not measured only."),
        click.argument("names", nargs=-1, metavar="[NAME|GLOB]…"),
    ):
        command = option(command)
    return command


def about_many(names: tuple[str, ...], *, everything: bool) -> bool:
    """Tell whether it is about many; raises UsageError with the help where nothing is named, as click does."""
    if not names and not everything:
        raise click.UsageError("Missing argument 'NAME…', or --all.", click.get_current_context())
    return many(names, everything=everything)
