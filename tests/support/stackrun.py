"""A crmhost that works on a stack and is killed, or whose `pulumi` is killed, at one of its events.

`python -m tests.support.stackrun`, told on standard input what to do: see `Told`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from crm.plan import Event
from infra.engine.reach import Reach
from infra.rollout import Rollout, decode, encode
from infra.settings import HostSettings, Images
from infra.stack import Access, Stack
from tests.support.stacks import Customer

Victim = Literal["pulumi", "crmhost", "nobody"]
_LONGEST = 180


@dataclass(frozen=True)
class Ended:
    """How such a run ended: the events that it told of, whether it was killed, what it said last."""

    events: tuple[str, ...]
    killed: bool
    said: str


def run(customer: Customer, rollout: Rollout | None, victim: Victim, at: int) -> Ended:
    """Run an `up` of the rollout, or a `destroy` for None, in a process of its own; kill the victim at event `at`."""
    public, secret = ("", "") if rollout is None else encode(rollout)
    told = {
        "folder": str(customer.access.folder),
        "backend": customer.access.backend,
        "passphrase": customer.access.passphrase,
        "pulumi": str(customer.access.pulumi),
        "path": customer.access.environment["PATH"],
        "contract": customer.contract,
        "url": customer.settings.reach.url,
        "public": public,
        "secret": secret,
        "victim": victim,
        "at": at,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.stackrun"],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST,
        cwd=Path(__file__).parents[2],
    )
    events = tuple(line for line in done.stdout.splitlines() if line.startswith("event "))
    return Ended(events, len(events) > at and victim != "nobody", (done.stderr or done.stdout)[-2000:])


def main() -> None:
    """Do what standard input says."""
    told = json.load(sys.stdin)
    environment = {**os.environ, "PATH": told["path"]}
    access = Access(Path(told["folder"]), told["backend"], told["passphrase"], Path(told["pulumi"]), environment)
    stack = Stack(access, told["contract"], HostSettings(Reach(told["url"]), Images("", "", "", "")))
    count = iter(range(1 << 30))

    def progress(event: Event) -> None:
        print(f"event {event.phase} {event.subject} {event.state}", flush=True)  # noqa: T201
        if next(count) == told["at"]:
            kill(told["victim"])

    if told["public"]:
        stack.up(decode(told["public"], told["secret"]), progress=progress)
    else:
        stack.destroy(keep_data=False, progress=progress)


def kill(victim: Victim) -> None:
    """Kill this process, or the `pulumi` that it started, as kill -9 does."""
    if victim == "crmhost":
        os.kill(os.getpid(), signal.SIGKILL)
    for child in psutil.Process().children():
        if victim == "pulumi" and child.name() == "pulumi":
            child.kill()


if __name__ == "__main__":
    main()
