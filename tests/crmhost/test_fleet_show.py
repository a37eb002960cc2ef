"""What is shown meanwhile: lines elsewhere than on a terminal, a table of bounded height on one, JSON for machines."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from crm.plan import Change, Event, Plan, Release
from crmhost.fleetwide.choose import Job
from crmhost.fleetwide.ending import Ending
from crmhost.fleetwide.show import Lines, LiveTable, Machines, Row, visible
from tests.crmhost.test_json_schema import checked

RELEASE = Release("creme", "2.8.6", "0" * 64, "2.8")
ACME, BOLT = Job("acme", "web1.example", 8), Job("bolt", "[red]web2.example", 8)
PLAN = Plan("acme", RELEASE, None, 42, (Change("file:site.ini", "update", "it differs"),))
FAILED = Ending("bolt", "failed", what="web2.example: the disk is full\nreally", remedy="Make room.", seconds=1.0)
DEPLOYED = Ending("acme", "deployed", "creme-2", 1, seconds=2.0)


def test_lines_name_their_contract_and_skip_what_is_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    lines = Lines(at_once=False, stream=stream)
    lines.begins(ACME)
    for state in ("begin", "done", "same", "note"):
        lines.says("acme", Event("stage", "r1", state, "for long" if state == "note" else "", 1.25))
    lines.ends(FAILED)
    lines.stopping(["acme"])
    assert stream.getvalue().splitlines() == [
        "acme: begins on web1.example",
        "acme: ✓ stage    r1  1.2 s",
        "acme: · stage    r1: for long  1.2 s",
        "bolt: FAILED  web2.example: the disk is full  1.0 s",
        "stopping: acme (once more kills; what runs on a host ends by itself)",
    ]
    assert capsys.readouterr().out == ""


def test_a_plan_that_is_only_looked_at_comes_at_the_end_and_one_that_is_carried_out_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    later, now = Lines(at_once=False, stream=io.StringIO()), Lines(at_once=True, stream=io.StringIO())
    later.says("acme", PLAN)
    assert capsys.readouterr().out == ""
    now.says("acme", PLAN)
    assert capsys.readouterr().out.startswith("acme: creme-2.8.6-000000000000, 1 of 42 resources differ:")
    later.total([DEPLOYED], 1.0, 0)
    assert capsys.readouterr().out.startswith("acme: creme-2.8.6-000000000000, 1 of 42 resources differ:")


def test_the_end_is_a_table_a_total_and_every_error_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    Lines(at_once=True).total([DEPLOYED, FAILED], 2.0, 1)
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "contract  result                                     took",
        "acme      deployed  creme-2 serves                  2.0 s",
        "bolt      FAILED    web2.example: the disk is full  1.0 s",
        "2 contracts: 1 deployed, 1 failed (2.0 s).",
    ]
    assert said.err == "\ncrmhost: bolt: web2.example: the disk is full\nreally\nMake room.\n"


def test_machines_get_only_lines_that_the_schema_allows(capsys: pytest.CaptureFixture[str]) -> None:
    machines = Machines()
    machines.begins(ACME)
    machines.says("acme", Event("stage", "r1", "done", seconds=1.5))
    machines.says("acme", PLAN)
    for ending in (DEPLOYED, FAILED, Ending("c", "not begun", what="bolt failed"), Ending("d", "left out", what="x")):
        machines.ends(ending)
    machines.total([DEPLOYED, FAILED], 2.0, 1)
    said = capsys.readouterr()
    lines = checked(said.out)
    assert [line["type"] for line in lines] == ["event", "change", "plan", *["result"] * 4, "fleet"]
    assert lines[0]["contract"] == "acme"
    assert lines[-1]["results"] == {"deployed": ["acme"], "failed": ["bolt"]}
    assert "crmhost: bolt: web2.example: the disk is full\nreally\nMake room.\n" in said.err


def clock() -> Iterator[float]:
    yield from (10.0, 20.0, 30.0, 30.0, 30.0, 30.0)


def test_the_table_shows_what_each_does_now_and_reads_nothing_as_markup() -> None:
    ticks = clock()
    live = LiveTable(at_once=True, stream=io.StringIO(), jobs=3, clock=lambda: next(ticks))
    live.begins(ACME)
    live.begins(BOLT)
    live.says("acme", Event("stage", "[bold]r1", "begin"))
    live.ends(FAILED)
    out = io.StringIO()
    Console(file=out, width=100).print(live.drawn(20))
    rows = [line.split() for line in out.getvalue().splitlines()]
    assert rows[1] == ["acme", "web1.example", "stage:", "[bold]r1", "20.0"]
    assert rows[2] == ["bolt", "[red]web2.example", "FAILED", "web2.example:", "the", "disk", "is", "full", "1.0"]
    assert rows[3] == ["1", "of", "3", "ended"]


def test_a_narrow_terminal_leaves_names_and_seconds_whole() -> None:
    live = LiveTable(at_once=True, stream=io.StringIO(), jobs=1, clock=lambda: 100.0)
    live.begins(ACME)
    live.says("acme", Event("stage", "file:" + "x" * 200, "begin"))
    out = io.StringIO()
    Console(file=out, width=40).print(live.drawn(20))
    row = out.getvalue().splitlines()[1].split()
    assert (row[0], row[-1]) == ("acme", "0.0")


def test_a_small_terminal_shows_what_is_at_work_and_what_ended_last() -> None:
    ended = [Row(f"e{number}", "", since=float(number), took=1.0) for number in range(10)]
    busy = [Row(f"b{number}", "", since=1.0) for number in range(3)]
    rows, hidden = visible([*ended[:5], *busy, *ended[5:]], 5)
    assert [row.contract for row in rows] == ["b0", "b1", "b2", "e8", "e9"]
    assert hidden == 8
    assert visible(busy, 3) == (busy, 0)
