"""`crmhost demo`: the whole story on this machine."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from crmhost.cli.options import examples

if TYPE_CHECKING:
    from crmhost.demo.narrator import Narrator
    from crmhost.demo.story import Ending, Story


@click.command(epilog=examples("crmhost demo", "crmhost demo --keep", "crmhost demo --json"))
@click.option("--keep", is_flag=True, help="Leave everything running until Ctrl-C, to look around.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end; the story goes to stderr.")
def command(as_json: bool, *, keep: bool) -> None:
    """Deploy a real CRM to a small SSH host on loopback, break it, and see the customer credited.

    Everything is real but the size: the commands, files and formats are those of a hosting company. Needs no root and
    touches nothing outside its temporary folder and the cache. Ctrl-C ends every process that it started.
    """
    from crmhost.demo.narrator import Narrator
    from crmhost.demo.scene import set_scene, sweep
    from crmhost.demo.story import Story

    for number in (signal.SIGTERM, signal.SIGINT):  # a job that a script put in the background ignores SIGINT otherwise
        signal.signal(number, _interrupt)
    narrator = Narrator(sys.stderr if as_json else sys.stdout)
    folder, finished = None, False
    try:
        with ExitStack() as stack:
            scene = stack.enter_context(set_scene(os.environ))
            folder = scene.folder
            story = Story(scene, narrator, lambda end: _push(stack, end))
            ending = story.tell()
            finished = True
            _show(narrator, story, ending, keep=keep)
            if as_json:
                click.echo(json.dumps(ending.as_json()))
            if keep:
                _until_stopped()
    finally:
        if folder is not None:
            sweep(folder, keep_fleet=finished)
            left = f"{folder}/fleet has the contract, the evidence and the statement" if finished else "nothing"
            narrator.say(f"every process has ended; left: {left}, and the cache for a quicker second time")


def _show(narrator: Narrator, story: Story, ending: Ending, *, keep: bool) -> None:
    narrator.result(
        [
            ("outage, really caused", f"{ending.outage_caused_seconds:.3f} s"),
            ("outage, measured", f"{ending.outage_measured_seconds:.3f} s"),
            ("availability", f"{float(ending.availability) * 100:.4f} % of the period (98 % was promised)"),
            ("credit", f"{ending.credit_seconds} s of service: three times the measured outage"),
            ("delivered", f"{'yes' if ending.delivered else 'NO'}, receipt {ending.receipt}"),
            ("statement", f"{'verified' if ending.statement_verified else 'NOT VERIFIED'}: {story.statement}"),
            ("time", f"{ending.wall_seconds:.1f} s"),
        ]
    )
    if keep:
        narrator.result(
            [
                ("the CRM", f"{story.url}, user admin"),
                ("its password", f"cd {story.scene.commands.fleet} && {_password(story)}"),
                ("metrics", story.metrics),
                ("statements", f"{story.metrics.removesuffix('metrics')}statements/demo"),
                ("stop", "Ctrl-C"),
            ]
        )


def _password(story: Story) -> str:
    identity = story.scene.commands.environment["CRMHOST_AGE_KEY_FILE"]
    program = Path(sys.executable).with_name("crmhost")
    return f"CRMHOST_AGE_KEY_FILE={identity} {program} secrets show demo admin-password"


def _until_stopped() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- the signature of a handler
    raise KeyboardInterrupt


def _push(stack: ExitStack, end: Callable[[], None]) -> None:
    stack.callback(end)
