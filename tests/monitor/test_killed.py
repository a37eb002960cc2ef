"""kill -9 at every statement that settling and delivering send to the database, and around every call to billing."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from monitor.billing.adapter import Adapter, Capabilities
from monitor.billing.delivery import deliver_due
from monitor.billing.webhook import WebhookAdapter
from monitor.ledger import book, deliveries
from monitor.ledger.answers import Answer, Found
from monitor.ledger.credit import Note, Owed
from monitor.settling import Settling, settle_due
from monitor.shelf import kept_statements
from monitor.store.database import open_database, reading
from tests.support.faulty_receiver import SECRET, FaultyServer, faulty_server
from tests.support.ledgers import DAY, MovedClock, add_period, empty_ledger
from tests.support.settled import KEY, World

pytestmark = pytest.mark.slow

IN_A_FORK = multiprocessing.get_context("fork")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(engine: Engine, statement: int) -> None:
    """Kill this process before the n-th statement that it sends to the database."""
    sent = 0

    def count(*_: object) -> None:
        nonlocal sent
        sent += 1
        if sent == statement:
            die()

    event.listen(engine, "before_cursor_execute", count)


def run_killed(work: Callable[[], None]) -> bool:
    """Run something in a process of its own; tells whether it was killed."""
    child = IN_A_FORK.Process(target=work)
    child.start()
    child.join(60)
    assert child.exitcode in {0, -signal.SIGKILL}
    return child.exitcode != 0


def test_settling_killed_at_any_statement_settles_each_period_once(tmp_path: Path) -> None:
    statement, killed = 0, True
    while killed:
        statement += 1
        folder = tmp_path / str(statement)
        folder.mkdir()
        world = World(folder).two_months()
        world.engine.dispose()

        def settle(world: World = world, statement: int = statement) -> None:
            engine = open_database(world.folder / "fleet.db")
            die_at(engine, statement)
            list(settle_due(Settling(engine, KEY, world.clock), [world.agreed]))

        killed = run_killed(settle)
        list(settle_due(world.settling, [world.agreed]))
        with reading(world.engine) as connection:
            assert [one.period for one in book.latest_settlements(connection, "acme")] == ["2026-09", "2026-10"]
            assert [one.sequence for one in kept_statements(connection, "acme")] == [1, 2]
            (credit,) = book.credits_of(connection)
            assert deliveries.read_row(connection, credit.id) is not None
    assert statement > 20


@dataclass(frozen=True)
class Mortal:
    """An adapter whose process dies before or after one of its calls."""

    inner: Adapter
    dies: str

    @property
    def longest_call(self) -> int:
        return self.inner.longest_call

    def capabilities(self) -> Capabilities:
        return self.inner.capabilities()

    def find(self, key: str) -> Found:
        self._at("before find")
        found = self.inner.find(key)
        self._at("after find")
        return found

    def send(self, note: Note) -> Answer:
        self._at("before send")
        answer = self.inner.send(note)
        self._at("after send")
        return answer

    def reverse(self, note: Note) -> Answer:
        return self.inner.reverse(note)

    def _at(self, point: str) -> None:
        if self.dies == point:
            die()


def delivered_once(server: FaultyServer, engine: Engine, clock: MovedClock) -> None:
    """Whatever was killed: a day later one more run delivers, and billing has one credit."""
    clock.moved += DAY
    deliver_due(engine, {"webhook": webhook(server)}, clock)
    with reading(engine) as connection:
        (credit,) = book.credits_of(connection)
        row = deliveries.read_row(connection, credit.id)
    assert row is not None
    assert row.state == "confirmed"
    assert server.keys() == ["crd_acme_2026-10_1"]
    assert server.posts() == 1


def webhook(server: FaultyServer) -> WebhookAdapter:
    return WebhookAdapter(server.url, (SECRET,), MovedClock(), timeout=2_000_000)


def ledger_with_one_credit(folder: Path, clock: MovedClock) -> None:
    engine = empty_ledger(folder)
    add_period(engine, "acme", "2026-10", clock(), Owed(unit="service-time", seconds=10_800))
    engine.dispose()


def test_delivering_killed_at_any_statement_gives_the_credit_once(tmp_path: Path) -> None:
    statement, killed = 0, True
    while killed:
        statement += 1
        folder, clock = tmp_path / str(statement), MovedClock()
        folder.mkdir()
        ledger_with_one_credit(folder, clock)
        with faulty_server(folder) as server:

            def deliver(folder: Path = folder, server: FaultyServer = server, statement: int = statement) -> None:
                engine = open_database(folder / "ledger.db")
                die_at(engine, statement)
                deliver_due(engine, {"webhook": webhook(server)}, MovedClock())

            killed = run_killed(deliver)
            delivered_once(server, open_database(folder / "ledger.db"), clock)
    assert statement > 8


@pytest.mark.parametrize("dies", ["before find", "after find", "before send", "after send"])
@pytest.mark.parametrize("arrived", [False, True])
def test_killed_around_a_call_to_billing_gives_the_credit_once(tmp_path: Path, dies: str, arrived: bool) -> None:
    clock = MovedClock()
    ledger_with_one_credit(tmp_path, clock)
    with faulty_server(tmp_path) as server:

        def deliver(dies: str, later: int) -> None:
            engine = open_database(tmp_path / "ledger.db")
            deliver_due(engine, {"webhook": Mortal(webhook(server), dies)}, MovedClock(later))

        assert run_killed(lambda: deliver("after send" if arrived else "before send", 0))
        killed_again = run_killed(lambda: deliver(dies, DAY))
        assert killed_again == (not (arrived and "send" in dies))
        clock.moved += DAY
        delivered_once(server, open_database(tmp_path / "ledger.db"), clock)
