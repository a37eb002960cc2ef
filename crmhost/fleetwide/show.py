"""What is shown while many contracts are worked on: a live table on a terminal, lines elsewhere, JSON for machines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

import click

from crm.plan import Event, Plan
from crmhost.fleetwide import ending as told
from crmhost.fleetwide.choose import Job
from crmhost.fleetwide.ending import Ending
from crmhost.output import Machine, People, json_line, table

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_HOST = 32  # characters of a host's name that are shown
_MARKS = {"done": "✓", "failed": "✗", "note": "·"}


class Show(Protocol):
    """Watches the pool (see `pool.Watcher`) and tells how the whole ended."""

    def begins(self, job: Job) -> None:
        """Work on a contract begins."""
        ...

    def says(self, contract: str, message: Event | Plan) -> None:
        """One line of progress, or a plan."""
        ...

    def ends(self, ending: Ending) -> None:
        """Work on a contract ended, or is never begun."""
        ...

    def stopping(self, contracts: Sequence[str]) -> None:
        """Ctrl-C came while these were at work."""
        ...

    def tick(self) -> None:
        """Time went by."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...

    def total(self, endings: Sequence[Ending], seconds: float, code: int) -> None:
        """Tell how all ended, and every error in full."""
        ...


class Machines:
    """JSON Lines, each with its contract's name; a `result` for each contract and a `fleet` line at the end."""

    def __init__(self) -> None:
        self._machine = Machine()

    def begins(self, job: Job) -> None:
        """Print nothing: the first event says it."""

    def says(self, contract: str, message: Event | Plan) -> None:
        """Print `change` and `plan` lines, or an `event` line."""
        if isinstance(message, Plan):
            self._machine.plan(message)
        else:
            json_line("event", contract=contract, **asdict(message))

    def ends(self, ending: Ending) -> None:
        """Print a `result` line."""
        json_line("result", **ending.fields())

    def stopping(self, contracts: Sequence[str]) -> None:
        """Print nothing: the results say it."""

    def tick(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def total(self, endings: Sequence[Ending], seconds: float, code: int) -> None:
        """Print the `fleet` line, and every error in full on standard error."""
        by_result: dict[str, list[str]] = {}
        for one in endings:
            by_result.setdefault(one.did, []).append(one.contract)
        json_line("fleet", contracts=len(endings), results=by_result, exit_code=code, seconds=round(seconds, 3))
        _complain(endings)


@dataclass
class Lines:
    """Progress as lines on standard error, each with its contract's name; plans, table and total on standard output.

    at_once: print a plan when it is made, since it is carried out next; otherwise all of them at the end, in order.
    """

    at_once: bool
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    plans: dict[str, Plan] = field(default_factory=dict)

    def begins(self, job: Job) -> None:
        """Print that it begins."""
        self._line(f"{job.contract}: begins on {job.place}")

    def says(self, contract: str, message: Event | Plan) -> None:
        """Print what ended, and keep a plan or print it."""
        if isinstance(message, Plan):
            self.plan(message)
        elif message.state in _MARKS:
            detail = f": {message.detail}" if message.detail else ""
            took = "" if message.seconds is None else f"  {message.seconds:.1f} s"
            self._line(f"{contract}: {_MARKS[message.state]} {message.phase:8} {message.subject}{detail}{took}")

    def plan(self, plan: Plan) -> None:
        """Print the plan, or keep it for the end."""
        if self.at_once:
            People().plan(plan)
        else:
            self.plans[plan.contract] = plan

    def ends(self, ending: Ending) -> None:
        """Print how it ended."""
        _, result, detail, took = told.cells(ending)
        self._line(f"{ending.contract}: {'  '.join(part for part in (result, detail, took) if part)}")

    def stopping(self, contracts: Sequence[str]) -> None:
        """Print who is waited for."""
        names = ", ".join(contracts) or "nothing is at work"
        self._line(f"stopping: {names} (once more kills; what runs on a host ends by itself)")

    def tick(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def total(self, endings: Sequence[Ending], seconds: float, code: int) -> None:  # noqa: ARG002 -- machines print the code
        """Print the plans that were kept, the table, the total; then every error in full on standard error."""
        self.close()
        for plan in (self.plans.pop(one.contract) for one in endings if one.contract in self.plans):
            if plan.changes or plan.notes:
                People().plan(plan)
        click.echo(table(told.HEAD, (told.cells(one) for one in endings), right=(3,)))
        click.echo(told.total(endings, seconds))
        _complain(endings)

    def _line(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


@dataclass
class Row:
    """A line of the live table."""

    contract: str
    place: str
    doing: str = "…"
    since: float | None = None
    took: float | None = None


def visible(rows: Sequence[Row], room: int) -> tuple[Sequence[Row], int]:
    """Return the rows that fit and how many do not: what is at work first, then what ended last, each in its order."""
    if len(rows) <= room:
        return rows, 0
    by_worth = sorted(rows, key=lambda row: (row.took is not None, -(row.took is not None) * (row.since or 0.0)))
    kept = {row.contract for row in by_worth[: max(room, 1)]}
    return [row for row in rows if row.contract in kept], len(rows) - len(kept)


@dataclass
class LiveTable(Lines):
    """The same, with a table that changes in place instead of lines. jobs: how many there are to do."""

    jobs: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    live: Live | None = None

    def begins(self, job: Job) -> None:
        """Add a row."""
        self.rows[job.contract] = Row(job.contract, job.place, since=self.clock())

    def says(self, contract: str, message: Event | Plan) -> None:
        """Change what the row says is done now; keep plans for the end, since the table has the terminal."""
        if isinstance(message, Plan):
            self.plans[message.contract] = message
        elif message.state in {"begin", "note"}:
            self.rows[contract].doing = f"{message.phase}: {message.detail or message.subject}"

    def ends(self, ending: Ending) -> None:
        """Change the row to how it ended."""
        row = self.rows.setdefault(ending.contract, Row(ending.contract, "", since=None))
        _, result, detail, _ = told.cells(ending)
        row.doing, row.took = f"{result}  {detail}".rstrip(), ending.seconds

    def _line(self, text: str) -> None:
        if self.live is not None:
            from rich.text import Text

            self.live.console.print(Text(text))
        else:
            super()._line(text)

    def tick(self) -> None:
        """Draw the table."""
        from rich.console import Console
        from rich.live import Live

        if self.live is None:  # no thread draws: processes are begun by fork, which wants but one
            console = Console(file=self.stream)
            self.live = Live(console=console, auto_refresh=False, redirect_stdout=False, transient=True)
            self.live.start()
        self.live.update(self.drawn(self.live.console.height - 4), refresh=True)

    def drawn(self, room: int) -> Table:
        """Return the table as it stands, of at most `room` rows."""
        from rich.table import Table
        from rich.text import Text

        ended = sum(row.took is not None for row in self.rows.values())
        rows, hidden = visible(tuple(self.rows.values()), room)
        more = f", {hidden} not shown" if hidden else ""
        drawn = Table(
            "contract", box=None, expand=True, caption=f"{ended} of {self.jobs} ended{more}", caption_justify="left"
        )
        drawn.columns[0].no_wrap = True
        drawn.add_column("host", no_wrap=True, overflow="ellipsis", max_width=_HOST)
        drawn.add_column("doing", no_wrap=True, overflow="ellipsis", ratio=1)  # it has what the others leave
        drawn.add_column("seconds", no_wrap=True, justify="right")
        for row in rows:
            took = row.took if row.took is not None else self.clock() - (row.since or self.clock())
            drawn.add_row(Text(row.contract), Text(row.place), Text(row.doing), f"{took:.1f}")
        return drawn

    def close(self) -> None:
        """Take the table away."""
        if self.live is not None:
            self.live.stop()
            self.live = None


def show_for(jobs: int, *, as_json: bool, at_once: bool) -> Show:
    """Return what shows it here."""
    if as_json:
        return Machines()
    return LiveTable(at_once, jobs=jobs) if sys.stderr.isatty() else Lines(at_once)


def _complain(endings: Sequence[Ending]) -> None:
    sys.stdout.flush()
    for text in told.complaints(endings):
        click.echo(f"\n{text}", err=True)
