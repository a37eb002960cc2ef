"""A crmhost that works on a customer and is killed, or whose `pulumi` is killed, at one of its events.

`python -m tests.support.clouddeployer TOLD`, which says what to do; prints its events, one a line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import psutil

from crm.driver import Progress
from crm.errors import CrmhostError
from crm.plan import Event
from crmhost.deploy import Outcome
from tests.support.cloud import Customer, opened, silent

Victim: TypeAlias = Literal["crmhost", "pulumi", "nobody"]
Verb: TypeAlias = Literal["deploy", "rollback", "destroy"]
KILLED = "killed"
LONGEST = 300
"""Seconds after which a run hangs."""
_REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Blow:
    """Who is killed when. at: the number of the event, from 1; for `pulumi` only events while one runs count.

    late: seconds after that event.
    """

    victim: Victim
    at: int
    late: float = 0.0


@dataclass(frozen=True)
class Ended:
    """How such a run ended. events: all that it told of. struck: the victim was killed."""

    events: tuple[str, ...]
    struck: bool
    code: int
    said: str


def run(customer: Customer, verb: Verb, version: str, blow: Blow) -> Ended:
    """Let a process of its own do the verb, and be killed, or its pulumi."""
    with at_work(customer, verb, version, blow) as process:
        out, said = process.communicate(timeout=LONGEST)
    lines = out.splitlines()
    events = tuple(line for line in lines if line != KILLED)
    return Ended(events, KILLED in lines, process.returncode, said[-4000:])


def at_work(customer: Customer, verb: Verb, version: str, blow: Blow) -> subprocess.Popen[str]:
    """Return such a process, which has begun."""
    fleet = customer.company.fleet
    told = {
        "folder": str(fleet.folder),
        "engine": customer.company.engine.url,
        "contract": customer.contract,
        "verb": verb,
        "version": version,
        "blow": asdict(blow),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.clouddeployer", json.dumps(told)],
        env=dict(fleet.environment),
        cwd=_REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Killer:
    """Counts events and kills at the one of its turn."""

    def __init__(self, blow: Blow) -> None:
        self._blow, self._count = blow, 0

    def __call__(self, event: Event) -> None:
        """Tell of an event, and strike if it is the one."""
        tell(f"{event.phase} {event.subject} {event.state}")
        if self._blow.victim == "nobody" or (self._blow.victim == "pulumi" and not _pulumi()):
            return
        self._count += 1
        if self._count == self._blow.at:
            if self._blow.late:
                threading.Thread(target=self._strike, daemon=True).start()
            else:
                self._strike()

    def _strike(self) -> None:
        time.sleep(self._blow.late)
        if self._blow.victim == "crmhost":
            tell(KILLED)
            os.kill(os.getpid(), signal.SIGKILL)
        while not (there := _pulumi()):  # it has ended just now: the next one
            time.sleep(0.005)
        for process in there:
            tell(KILLED)
            process.kill()


def tell(line: str) -> None:
    """Print a line at once: nothing can be printed later."""
    print(line, flush=True)  # noqa: T201


def _pulumi() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.name() == "pulumi"]


def do(customer: Customer, verb: Verb, version: str, progress: Progress = silent) -> Outcome:
    """Do the verb to the customer."""
    verbs: Mapping[Verb, Callable[[str, Progress], Outcome]] = {
        "deploy": customer.deploy,
        "rollback": customer.rollback,
        "destroy": customer.destroy,
    }
    return verbs[verb](version, progress)


def main() -> int:
    """Do what the argument says."""
    told = json.loads(sys.argv[1])
    customer = Customer(opened(Path(told["folder"]), told["engine"]), told["contract"])
    killer = Killer(Blow(**told["blow"]))
    try:
        do(customer, told["verb"], told["version"], killer)
    except CrmhostError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
