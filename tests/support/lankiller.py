"""A blow at one line of a contract's journal on a LAN server: against who deploys, or against what the server does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tests.support.landeployer import deployer
from tests.support.lans import LanCustomer
from tests.support.until import until

Victim: TypeAlias = Literal["operator", "host"]

_WATCH = '''
import json, os, pwd, signal, sys, time

engine, user, since, turn = *sys.argv[1:4], int(sys.argv[4])

def told(word):
    print(word, flush=True)

def programs():
    """Those of the customer's user that a deploy has started, so in no unit of the customer's."""
    try:
        uid = str(pwd.getpwnam(user).pw_uid)
    except KeyError:
        return
    for number in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/cgroup") as groups, open(f"/proc/{number}/status") as status:
                own = next(line.split()[1] for line in status if line.startswith("Uid:"))
                if own == uid and "crmhost-" not in groups.read():
                    yield int(number)
        except OSError:
            pass

def strike():
    """Kill the running job; where none is, the program that is talked to beside the jobs."""
    try:
        with open(f"{engine}/job") as job:
            os.killpg(int(job.read().split()[0]), signal.SIGKILL)
        return "job"
    except (OSError, ValueError, IndexError):
        pass
    struck = "nobody: between two jobs"
    for number in programs():
        os.kill(number, signal.SIGKILL)
        struck = "program"
    return struck

try:
    place = os.path.getsize(f"{engine}/journal")
except OSError:
    place = 0
count, rest = 0, b""
told("ready %d" % os.getpid())
while True:
    try:
        with open(f"{engine}/journal", "rb") as journal:
            journal.seek(place)
            new = journal.read()
    except OSError:
        new = b""
    place += len(new)
    *lines, rest = (rest + new).split(b"\\n")
    for line in lines:
        said = json.loads(line)
        if not count and not said["subject"].startswith(since):
            continue
        count += 1
        if count == -turn:
            told("struck " + strike())
        told("line {phase}: {subject} {state}".format(**said))
    time.sleep(0.002)
'''
"""Runs on the server: tells each new line of the journal; a negative turn is that of a blow against what runs there."""


@dataclass
class Blow:
    """What became of a blow. lines: of the journal, while it was watched; struck: who was killed, if anybody.

    at: the line at which that was; code, said: how the deploying process ended.
    """

    lines: list[str] = field(default_factory=list)
    struck: str = ""
    at: str = "(none: it ended)"
    code: int = 0
    said: str = ""
    pid: str = ""


def killed_deploy(
    customer: LanCustomer, version: str, language: str, turn: int, victim: Victim, *, late: float, since: str = ""
) -> Blow:
    """Deploy in a process of its own, and kill the victim at the turn-th line that the journal gets.

    late: seconds after that line at which the operator is killed; the server's work is killed at once, by the server.
    since: the beginning of the subject of the line that is counted as the first; that of any line, where it is empty.
    """
    blow = Blow()
    with deployer() as one:

        def strike() -> None:
            time.sleep(late)
            one.process.kill()

        with _watched(customer, blow, since, -turn if victim == "host" else turn, strike):
            blow.said = one.deploy(customer, version, language)
        blow.code = one.process.returncode
    return blow


@contextmanager
def _watched(customer: LanCustomer, blow: Blow, since: str, turn: int, operator: Callable[[], None]) -> Iterator[None]:
    lan, layout = customer.lan, customer.layout
    words = ["python3", "-c", _WATCH, layout.engine, layout.user, since, str(turn)]
    api = lan.container.client.api  # type: ignore[union-attr]  # a container of the engine
    stream = api.exec_start(api.exec_create(lan.container.id, words)["Id"], stream=True)

    def follow() -> None:
        rest = b""
        for piece in stream:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                _heard(blow, line.decode(errors="replace"))
                if len(blow.lines) == turn and not blow.struck:
                    blow.struck, blow.at = "operator", blow.lines[-1]
                    operator()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        until(lambda: blow.pid, "the journal is watched", 30)
        yield
    finally:
        lan.run(f"kill {blow.pid}", check=False)
        thread.join()


def _heard(blow: Blow, line: str) -> None:
    word, _, rest = line.partition(" ")
    match word:
        case "ready":
            blow.pid = rest
        case "struck":
            blow.struck = rest
        case "line":
            blow.lines.append(rest)
            if blow.struck and blow.at.startswith("("):
                blow.at = rest
        case _:
            raise AssertionError(f"the watcher failed: {line}")
