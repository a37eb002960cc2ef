"""What commands print: tables and progress for people, JSON Lines for machines, both from the same values."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click

if TYPE_CHECKING:
    from rich.status import Status as Spinner

    from crm.plan import Change, Event, Plan

JSON_VERSION = 1
_SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "run": "▸", "start": "▸", "restart": "~"}


def json_line(kind: str, /, **fields: Any) -> None:  # noqa: ANN401 -- whatever JSON can say
    """Print one JSON object on one line, with its `version` and `type` first."""
    click.echo(json.dumps({"version": JSON_VERSION, "type": kind, **fields}, ensure_ascii=False, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return a plain table: columns as wide as their widest cell, `right` columns aligned to the right."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        padded = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


class Reporter(Protocol):
    """Where a command's plan, progress and result go."""

    def plan(self, plan: Plan) -> None:
        """Show a plan."""
        ...

    def event(self, event: Event) -> None:
        """Show one line of progress."""
        ...

    def result(self, kind: str, fields: Mapping[str, Any], text: str) -> None:
        """Show how it ended: `fields` for machines, `text` for people."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class Machine:
    """JSON Lines on standard output."""

    def plan(self, plan: Plan) -> None:
        """Print one `change` line for each change and a `plan` line at the end."""
        for change in plan.changes:
            json_line("change", **_change(plan, change))
        json_line(
            "plan",
            contract=plan.contract,
            release=plan.release.id,
            serving=plan.serving,
            resources=plan.resources,
            changes=len(plan.changes),
            digest=plan.digest,
            notes=list(plan.notes),
        )

    def event(self, event: Event) -> None:
        """Print an `event` line."""
        json_line(
            "event",
            phase=event.phase,
            subject=event.subject,
            state=event.state,
            detail=event.detail,
            seconds=event.seconds,
        )

    def result(self, kind: str, fields: Mapping[str, Any], text: str) -> None:  # noqa: ARG002 -- machines need no sentence
        """Print the result line."""
        json_line(kind, **fields)

    def close(self) -> None:
        """Nothing to do."""


class People:
    """A table on standard output, and progress on standard error: a spinner where that is a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._spinner: Spinner | None = None

    def plan(self, plan: Plan) -> None:
        """Print the changes as a table, or that there is nothing to do."""
        self.close()
        for note in plan.notes:
            click.echo(f"note: {note}")
        if not plan.changes:
            click.echo(f"{plan.contract}: nothing to do; all {plan.resources} resources are as they should be.")
            return
        click.echo(f"{plan.contract}: {plan.release.id}, {len(plan.changes)} of {plan.resources} resources differ:")
        for change in plan.changes:
            then = " (decided then)" if change.later else ""
            click.echo(f"  {_SIGNS.get(change.action, '·')} {change.action:8} {change.resource}: {change.why}{then}")
            for line in change.diff:
                click.echo(f"        {line}")
            if change.disrupts != "no":
                click.echo(f"        disrupts: {change.disrupts}")

    def event(self, event: Event) -> None:
        """Print a line when something ends, and show what is going on meanwhile."""
        if event.state == "begin":
            self._begin(f"{event.phase}: {event.subject}")
            return
        self.close()
        if event.state == "same":
            return
        took = "" if event.seconds is None else f"  {event.seconds:.1f} s"
        detail = f": {event.detail}" if event.detail else ""
        mark = {"done": "✓", "failed": "✗", "note": "·"}[event.state]
        print(f"  {mark} {event.phase:8} {event.subject}{detail}{took}", file=self._stream, flush=True)

    def result(self, kind: str, fields: Mapping[str, Any], text: str) -> None:  # noqa: ARG002 -- people read the sentence
        """Print the sentence."""
        self.close()
        click.echo(text)

    def close(self) -> None:
        """Take the spinner away."""
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

    def _begin(self, text: str) -> None:
        self.close()
        if self._stream.isatty():
            from rich.console import Console
            from rich.markup import escape

            self._spinner = Console(file=self._stream).status(escape(text))
            self._spinner.start()


def reporter(*, as_json: bool) -> Reporter:
    """Return the reporter that was asked for."""
    return Machine() if as_json else People()


def _change(plan: Plan, change: Change) -> dict[str, Any]:
    return {
        "contract": plan.contract,
        "resource": change.resource,
        "action": change.action,
        "why": change.why,
        "diff": list(change.diff),
        "disrupts": change.disrupts,
        "later": change.later,
    }
