"""kill -9 at every line of a deploy's journal, of the deploying process and of its work on the host; then once more.

Each time the same command converges: the release serves, the plan is empty, every step ran as often as it may, and
what the customer wrote is there.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Literal, TypeVar

import pytest

from crm.errors import HostError, LockHeld, Refused
from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.server import Faults
from tests.support.deployments import Customer, lend_artifacts
from tests.support.hosts import until

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[3]
WORKERS = 4
Victim = Literal["operator", "host"]
Turn = TypeVar("Turn")


@dataclass
class Killer:
    """Watches what the host prints; at the line of its turn it kills, once."""

    lines: int = 0
    turn: int = 0
    victim: Callable[[], None] = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def aim(self, turn: int, victim: Callable[[], None]) -> None:
        """Kill the victim at the turn-th line from now on."""
        with self.lock:
            self.lines, self.turn, self.victim = 0, turn, victim

    def watch(self, data: bytes, _pid: int) -> None:
        """Count the journal's lines in what the host prints."""
        with self.lock:
            before = self.lines
            self.lines += len(re.findall(rb"(?m)^[0-9a-f]{16} note ", data))
            if before < self.turn <= self.lines:
                self.victim()

    def disarm(self) -> bool:
        """Kill no more, and tell whether the turn came."""
        with self.lock:
            struck, self.turn = self.lines >= self.turn, 0
            return struck


@contextmanager
def host(artifacts: Path) -> Iterator[tuple[Sandbox, Killer]]:
    killer = Killer()
    with (
        tempfile.TemporaryDirectory(prefix="crmhost-") as root,
        Sandbox(Path(root), faults=Faults(watch=killer.watch)) as box,
    ):
        lend_artifacts(artifacts, box)
        yield box, killer


def killed_deploy(customer: Customer, killer: Killer, turn: int, victim: Victim, version: str, language: str) -> bool:
    """Deploy in a process of its own and kill at a line; tell whether there was such a line."""
    box = customer.box
    arguments = (box.root, box.address.port, customer.contract, version, f"127.0.0.1:{customer.port}", language)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.deployer", *map(str, arguments)],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    ) as deployer:
        killer.aim(turn, deployer.kill if victim == "operator" else lambda: kill_job(customer))
        _, said = deployer.communicate(timeout=120)
        struck = killer.disarm()
    if not struck:
        assert deployer.returncode == 0, said
        return False
    return True


def kill_job(customer: Customer) -> None:
    """Kill what the host is doing for the deploy at this moment: the process group of the running batch or step."""
    try:
        pid, _mode = (customer.root / "job").read_text().split()
        os.killpg(int(pid), signal.SIGKILL)
    except (OSError, ValueError):
        return  # it had ended before the line arrived here


def deploy_again(customer: Customer, version: str, language: str) -> None:
    """Give the same command, as a person would: wait for the lock, look at a changed plan, settle a lost step."""
    outcome: list[str] = []

    def tried() -> bool:
        try:
            outcome.append(customer.deploy(version, language=language).did)
        except LockHeld:
            return False
        except Refused as refusal:  # a step that is not safe to kill ended between the plan and the lock
            if "has changed since the plan was shown" not in refusal.what:
                raise
            return False
        except HostError as error:
            if "step register was begun and not finished" not in error.what:
                raise
            settle_register(customer)
            return False
        return True

    until(tried, "the lock of the dead is free", 60)


def destroyed(customer: Customer) -> bool:
    """Destroy what is there; False while the killed one's lock is held: a deploy with nothing to do takes none."""
    try:
        customer.destroy()
    except LockHeld:
        return False
    return True


def unlocked(customer: Customer) -> bool:
    """Tell whether the killed one's work on the host has ended: a deploy with nothing to do did not wait for it."""
    with (customer.root / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def settle_register(customer: Customer) -> None:
    with closing(sqlite3.connect(customer.layout.db, isolation_level=None)) as db:
        done = db.execute("select count(*) from registration").fetchone()[0]
        act = "update crmhost_steps set state = 'finished'" if done else "delete from crmhost_steps"
        db.execute(f"{act} where name = 'register'")


def check(customer: Customer, version: str, language: str) -> None:
    assert customer.get() == f"200 ready {version}, 1 accounts"
    assert customer.plan(version, language=language).changes == ()
    assert customer.ask("select count(*) from registration") == [(1,)]
    assert customer.ask("select name from account") == [("admin",)]
    assert customer.get("/static/style.css").startswith(f"200 /* {version} */")


def first_deploys(artifacts: Path, turns: Iterator[int], victim: Victim) -> int:
    """Take turns until one comes after the last line; each is a first deploy of a contract of its own."""
    with host(artifacts) as (box, killer):
        for turn in turns:
            customer, language = Customer(box, f"c{turn}"), f"l{turn}"
            lend_artifacts(artifacts, box)  # the last contract of an account takes them with it
            struck = killed_deploy(customer, killer, turn, victim, "1.0", language)
            try:
                deploy_again(customer, "1.0", language)
                check(customer, "1.0", language)
                until(partial(destroyed, customer), "the lock of the dead is free", 60)
                assert not customer.root.exists()
            except BaseException as error:
                error.add_note(f"killed the {victim} at line {turn}")
                raise
            if not struck:
                return turn - 1
    raise AssertionError("the turns ran out")


def later_deploys(artifacts: Path, turns: Iterator[int], victim: Victim) -> int:
    """Take turns until one comes after the last line; each takes over from the release before, on one database."""
    with host(artifacts) as (box, killer):
        customer = Customer(box)
        customer.deploy("1.0", language="l0")
        customer.write("precious")
        for turn in turns:
            version, language = ("1.0", "1.1")[turn % 2], f"l{turn}"
            until(partial(unlocked, customer), "the lock of the dead is free", 60)
            struck = killed_deploy(customer, killer, turn, victim, version, language)
            try:
                assert customer.notes() == ["precious"]
                deploy_again(customer, version, language)
                check(customer, version, language)
                assert customer.notes() == ["precious"]
            except BaseException as error:
                error.add_note(f"killed the {victim} at line {turn}")
                raise
            if not struck:
                return turn - 1
    raise AssertionError("the turns ran out")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("deploys", "victim", "least"),
    [
        (first_deploys, "operator", 60),
        (first_deploys, "host", 60),
        (later_deploys, "operator", 35),
        (later_deploys, "host", 35),
    ],
)
def test_a_deploy_killed_at_any_line_converges_when_it_is_given_again(
    artifacts: Path, deploys: Callable[[Path, Iterator[int], Victim], int], victim: Victim, least: int
) -> None:
    turns = shared(count(1))
    with ThreadPoolExecutor(WORKERS) as pool:
        lines = [future.result() for future in [pool.submit(deploys, artifacts, turns, victim) for _ in range(WORKERS)]]
    assert min(lines) >= least


def shared(turns: Iterator[Turn]) -> Iterator[Turn]:
    """Yield the turns to several threads, each turn to one of them."""
    taking = threading.Lock()

    class Shared(Iterator[Turn]):
        def __next__(self) -> Turn:
            with taking:
                return next(turns)

    return Shared()
