"""The verbs of crmhost as Fabric tasks: `fab --list`, `fab plan acme`, `fab deploy acme --yes`."""

from __future__ import annotations

import shlex
import sys

from fabric import task
from invoke import Context

from crmhost.__main__ import main


def _run(*argv: str) -> None:
    code = main(argv)
    if code:
        sys.exit(code)


@task
def plan(_: Context, name: str) -> None:
    """Show what a deploy would change."""
    _run("plan", name)


@task
def deploy(_: Context, name: str, yes: bool = False) -> None:  # noqa: FBT001, FBT002 - Fabric makes --yes of it
    """Plan, confirm, converge, gate, switch."""
    _run("deploy", name, *(["--yes"] if yes else []))


@task
def status(_: Context, name: str) -> None:
    """Show what runs now."""
    _run("status", name)


@task
def logs(_: Context, name: str, process: str = "web", lines: int = 50) -> None:
    """Show the log of a CRM's process."""
    _run("logs", name, process, "--lines", str(lines))


@task(name="exec")
def execute(_: Context, name: str, command: str) -> None:
    """Run a command in the CRM's environment, quoted as for a shell."""
    _run("exec", name, "--", *shlex.split(command))


@task
def rollback(_: Context, name: str, to: str = "") -> None:
    """Let an earlier release of the same schema serve again."""
    _run("rollback", name, *(["--to", to] if to else []))


@task
def destroy(_: Context, name: str, yes: bool = False, keep_data: bool = False) -> None:  # noqa: FBT001, FBT002 - Fabric makes flags of them
    """Remove a customer's CRM from its host."""
    _run("destroy", name, *(["--yes"] if yes else []), *(["--keep-data"] if keep_data else []))
