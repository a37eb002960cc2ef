"""The backups that contracts promise, made when they are due: what `crmhost serve` does besides measuring.

One at a time, each by a process of its own: so a large one does not hold up the probes, and none of what it may die of
reaches them. What goes wrong is logged, shown in /metrics and tried again; the measuring never ends for it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from contract.duration import MINUTE, Micros
from contract.model import Contract
from crm.backup import Snapshot
from crm.errors import CrmhostError
from crmhost.backup.promise import owed
from crmhost.backup.schedule import due_at, try_again_at
from monitor.metrics import Backed

LOOK_AGAIN = 5 * MINUTE
"""How long what was seen in the store is taken for true."""
_TURN = 2.0
_GRACE = 3.0
"""Seconds that a backup under way has to end when `serve` does."""


class Lister(Protocol):
    """What the keeper asks of a contract's backups."""

    def list(self) -> Sequence[Snapshot]:
        """Return the whole backups, newest first."""
        ...


Make = Callable[[str, threading.Event], None]
"""Makes a contract's backup, until told to stop; raises CrmhostError."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the backups of one contract stand. since: when this process first looked."""

    since: Micros
    looked: Micros | None = None
    snapshots: tuple[Snapshot, ...] = ()
    failures: int = 0
    failed: Micros | None = None

    def waits_until(self) -> Micros:
        """Return before when nothing is tried after a failure."""
        return self.since if not self.failures or self.failed is None else try_again_at(self.failed, self.failures)

    def stale(self, now: Micros) -> bool:
        """Tell whether the store is to be looked at again."""
        return self.looked is None or self.looked + LOOK_AGAIN <= now


class Keeper:
    """Looks every few seconds whether a backup is due, in a thread of its own."""

    def __init__(
        self,
        contracts: Sequence[Contract],
        shelf: Callable[[str], Lister],
        make: Make,
        now: Callable[[], Micros],
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._contracts = {contract.id: contract for contract in contracts}
        self._shelf = shelf
        self._make = make
        self._now = now
        self._log = log
        self._shelves: dict[str, Lister] = {}
        self._standings: dict[str, Standing] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="crmhost-backups", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and with it a backup that is under way; nothing of it is kept."""
        self._stopping.set()
        self._thread.join(2 * _GRACE)

    def backed(self) -> tuple[Backed, ...]:
        """Return how every promised backup stands; from any thread."""
        now, standings = self._now(), dict(self._standings)
        found = ((name, standing, owed(self._contracts[name], now)) for name, standing in standings.items())
        return tuple(
            _backed(name, standing, due_at(promise.every, standing.snapshots))
            for name, standing, promise in found
            if promise is not None
        )

    def turn(self) -> None:
        """Look at what is not known any more, and make what is due."""
        for name, contract in self._contracts.items():
            promise = owed(contract, self._now())
            if promise is None or self._stopping.is_set():
                continue
            standing = self._standings.setdefault(name, Standing(self._now()))
            if standing.waits_until() > self._now():
                continue
            try:
                if standing.stale(self._now()):
                    standing = self._look(name, standing)
                due = due_at(promise.every, standing.snapshots)
                if due is None or due <= self._now():
                    self._make(name, self._stopping)
                    standing = self._look(name, replace(standing, failures=0))
                    self._log.info("backup made", contract=name, backup=standing.snapshots[0].id)
            except Exception as error:  # noqa: BLE001 -- whatever a backup dies of, the others are made
                self._failed(name, standing, error)

    def _work(self) -> None:
        while not self._stopping.wait(_TURN):
            self.turn()

    def _look(self, name: str, standing: Standing) -> Standing:
        shelf = self._shelves.setdefault(name, self._shelf(name))
        seen = replace(standing, looked=self._now(), snapshots=tuple(shelf.list()))
        self._standings[name] = seen
        return seen

    def _failed(self, name: str, standing: Standing, error: Exception) -> None:
        if self._stopping.is_set():
            return
        failed = replace(self._standings[name], failures=standing.failures + 1, failed=self._now())
        self._standings[name] = failed
        what = error.what if isinstance(error, CrmhostError) else f"{type(error).__name__}: {error}"
        again = (failed.waits_until() - self._now()) // MINUTE
        self._log.error("a backup failed; it is tried again", contract=name, error=what, minutes=again)


def make_by_command(fleet: Path, environment: Mapping[str, str]) -> Make:
    """Return what makes a backup by `crmhost backup`, and prunes; stopped, the command is told to end."""

    def make(name: str, stopping: threading.Event) -> None:
        argv = [sys.executable, "-m", "crmhost", "--fleet", str(fleet), "backup", name, "--scheduled", "--json"]
        with tempfile.TemporaryFile() as said:
            running = subprocess.Popen(  # noqa: S603 -- our own command
                argv, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
            )
            while running.poll() is None:
                if stopping.wait(0.2):
                    _end(running)
            if running.returncode != 0:
                said.seek(0)
                raise CrmhostError(said.read().decode(errors="replace").strip()[-2000:] or "it was ended")

    return make


def _end(running: subprocess.Popen[bytes]) -> None:
    running.send_signal(signal.SIGINT)  # as Ctrl-C: it removes what it had begun
    try:
        running.wait(_GRACE)
    except subprocess.TimeoutExpired:
        running.kill()


def _backed(name: str, standing: Standing, due: Micros | None) -> Backed:
    last = standing.snapshots[0] if standing.snapshots else None
    return Backed(
        contract=name,
        due=standing.since if due is None else due,
        taken=None if last is None else last.taken,
        size=None if last is None else last.size,
        failed=standing.failed,
        proven=max((one.proven for one in standing.snapshots if one.proven is not None), default=None),
    )
