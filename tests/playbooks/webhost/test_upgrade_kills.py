"""kill -9 during an upgrade across schemas, of the upgrading process and of its work on the host; then once more.

The lines of the journal at which it strikes are those of what an upgrade does besides a deploy: remembering where it
is, the maintenance page, the end and the start of processes and jobs, steps, the gate, the switch, the end. What is
staged is staged as in any deploy, whose lines test_kills.py takes one by one. Each line kills one of the two victims,
in turn.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from crmhost.sandbox.server import Faults
from tests.playbooks.webhost.test_kills import (
    Killer,
    Victim,
    check,
    deploy_again,
    host,
    killed_deploy,
    shared,
    unlocked,
)
from tests.support.deployments import Customer
from tests.support.hosts import until

pytestmark = pytest.mark.slow
WORKERS = 4
VICTIMS: tuple[Victim, ...] = ("operator", "host")
STAGED = ("file:", "folder:", "venv:", "database:")
"""What a deploy does as well."""


@dataclass
class Lines:
    """The subjects of the journal's lines, as the host prints them."""

    subjects: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    held: dict[int, bytes] = field(default_factory=dict)

    def watch(self, data: bytes, pid: int) -> None:
        """Note them."""
        with self.lock:
            *lines, self.held[pid] = (self.held.get(pid, b"") + data).split(b"\n")
            for line in lines:
                found = re.fullmatch(rb"[0-9a-f]{16} note (.*)", line)
                if found is not None:
                    self.subjects.append(str(json.loads(found[1])["subject"]))


@contextmanager
def customer_on(artifacts: Path) -> Iterator[tuple[Customer, Killer]]:
    with host(artifacts) as (box, killer):
        customer = Customer(box)
        customer.deploy("1.1", language="vi")
        customer.write("precious")
        customer.deploy(
            "2.0", language="vi"
        )  # from now on every upgrade finds its release there, so has the same lines
        customer.rollback(version="2.0", language="vi", sure=lambda _: True)
        yield customer, killer


def turns_of(artifacts: Path) -> list[int]:
    """Return the numbers of the lines to kill at, from an upgrade that nobody kills."""
    lines = Lines()
    with customer_on(artifacts) as (customer, _):
        customer.box.faults = Faults(watch=lines.watch)
        customer.deploy("2.0", language="vi")
    found = [number for number, subject in enumerate(lines.subjects, 1) if not subject.startswith(STAGED)]
    told = {lines.subjects[number - 1].partition(":")[0] for number in found}
    assert {"remember the upgrade", "process", "cron", "wait for jobs", "upgrade", "link", "retire"} <= told
    return found


def upgrades(artifacts: Path, turns: Iterator[tuple[int, Victim]]) -> int:
    """Take turns until there is none; each is an upgrade that is taken back afterwards. Returns how many there were."""
    count = 0
    with customer_on(artifacts) as (customer, killer):
        for turn, victim in turns:
            until(partial(unlocked, customer), "the lock of the dead is free", 60)
            killed_deploy(customer, killer, turn, victim, "2.0", "vi")
            try:
                deploy_again(customer, "2.0", "vi")
                check(customer, "2.0", "vi")
                assert customer.notes() == ["precious"]
                until(partial(unlocked, customer), "the lock of the dead is free", 60)
                assert customer.rollback(version="2.0", language="vi", sure=lambda _: True).did == "rolled back"
                check(customer, "1.1", "vi")
                assert customer.notes() == ["precious"]
            except BaseException as error:
                error.add_note(f"killed the {victim} at line {turn}")
                raise
            count += 1
    return count


@pytest.mark.timeout(2400)
def test_an_upgrade_killed_at_any_line_of_its_own_converges_when_it_is_given_again(artifacts: Path) -> None:
    numbers = turns_of(artifacts)
    assert len(numbers) > 30
    jobs = list(zip(numbers, itertools.cycle(VICTIMS), strict=False))
    turns = shared(iter(jobs))
    with ThreadPoolExecutor(WORKERS) as pool:
        counts = [future.result() for future in [pool.submit(upgrades, artifacts, turns) for _ in range(WORKERS)]]
    assert sum(counts) == len(jobs)
