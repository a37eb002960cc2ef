"""From an argument list to an exit code: finds the verb, runs it, and turns errors into one paragraph."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import cast

import click

from crmhost.cli.verbs import VERBS

EPILOG = """\b
Examples:
  crmhost init acme --recipe creme --target webhost --host web1.example --user acme
  crmhost check
  crmhost deploy acme
  crmhost serve
Every verb has examples of its own: crmhost VERB --help
"""


class Verbs(click.Group):
    """The group of all verbs; a verb's module is imported when it is needed, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the names of the verbs in the order of the help."""
        return [verb.name for verb in VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        """Import the verb's module and return its command."""
        for verb in VERBS:
            if verb.name == cmd_name:
                return cast("click.Command", importlib.import_module(verb.module).command)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb when one is misspelt."""
        import difflib

        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], names, 1)
            ctx.fail(f"no such verb: {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """Write the verbs under their headings, from the table alone."""
        for heading in dict.fromkeys(verb.heading for verb in VERBS):
            with formatter.section(heading):
                formatter.write_dl([(verb.name, verb.summary) for verb in VERBS if verb.heading == heading])


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Prints errors to standard error, never a traceback."""
    group = Verbs(
        name="crmhost",
        epilog=EPILOG,
        help="Contract-as-code hosting for CRM systems: deploy what was promised, measure it, pay back what is owed.",
        params=[
            click.Option(
                ["--fleet"],
                type=click.Path(file_okay=False),
                envvar="CRMHOST_FLEET",
                help="The fleet's folder. Default: the nearest one upward that has a crmhost.yaml.",
            ),
            click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version),
        ],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        callback=_remember_fleet,
    )
    try:
        code = group.main(args=list(arguments), prog_name="crmhost", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 -- the last line of defence: a user never sees a traceback
        return _explain(error)
    return code if isinstance(code, int) else 0


def _explain(error: BaseException) -> int:
    from crm.errors import CrmhostError

    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return 1
        case click.ClickException():
            return _complain(error.format_message(), _usage(error))
        case CrmhostError():
            return _complain(error.what, error.remedy)
        case click.Abort() | KeyboardInterrupt():
            click.echo(f"\n{_stopped(error)}", err=True)
            return 130
        case BrokenPipeError():
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 -- stays open until Python ends
            return 1
        case _:
            return _bug(error)


def _stopped(error: BaseException) -> str:
    """Return what a stop means: a verb that knows says it in the interruption, of which click makes another."""
    known = error.args or (error.__cause__.args if isinstance(error.__cause__, KeyboardInterrupt) else ())
    return f"stopped; {known[0]}" if known else "stopped."


def _remember_fleet(fleet: str | None) -> None:
    click.get_current_context().obj = fleet


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 -- click's signature
    if value:
        import importlib.metadata

        click.echo(f"crmhost {importlib.metadata.version('crmhost')}")
        ctx.exit()


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"See: {context.command_path} --help" if context else ""


def _complain(what: str, remedy: str) -> int:
    click.echo(f"crmhost: {what}", err=True)
    if remedy:
        click.echo(remedy, err=True)
    return 1


def _bug(error: BaseException) -> int:
    if os.environ.get("CRMHOST_DEBUG"):
        raise error
    return _complain(
        f"this is a bug in crmhost: {type(error).__name__}",
        "The same command may be run again: it finishes what was begun. CRMHOST_DEBUG=1 shows where it happened.",
    )
