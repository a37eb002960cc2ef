"""kill -9 of crmhost, and of the pulumi that it runs, at events of every kind of change; then the same command again.

Each time the same command converges: the plan is empty, the release serves, what the customer wrote is there, every
step ran as often as it may, the engine holds what was recorded and nothing else, and no process of Pulumi's is left.

CRMHOST_KILL_EVERY=1 kills at every event (3: at every third one) instead of at some of every phase; with `pytest -s`
a table is printed of what was found at each. CRMHOST_KILL_FROM=30 begins there.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import docker
import pytest

from crm.errors import CrmhostError, HostError, LockHeld, Refused
from infra import expected, naming
from infra.engine.connect import Reach, connect
from infra.engine.seen import SeenContainer
from tests.support.cloud import Company, Customer
from tests.support.clouddeployer import Blow, Ended, Verb, Victim, at_work, do, run
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.cloud, pytest.mark.timeout(14400)]

EVERY = int(os.environ.get("CRMHOST_KILL_EVERY", "0"))
FROM = int(os.environ.get("CRMHOST_KILL_FROM", "1"))
NOBODY = Blow("nobody", 0)
LAST = 500
"""No change has so many events."""
LOCK = 10.0
"""Seconds within which the lock of a killed crmhost is free."""
UNBORN = "created"
"""A lock that was made and never started: whoever comes a minute later takes it away."""
PATIENCE = 300.0
"""Seconds after which a command that is given again hangs; a quiet machine needs ten."""
LATE = (0.0, 0.05, 0.3)
"""Seconds after the event, taken in turn: between two events lies what crmhost does without telling."""


@dataclass
class Row:
    """What was found after one kill."""

    scenario: str
    victim: Victim
    at: int
    event: str
    found: str
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return a line of the table."""
        head = f"{self.scenario:<18} {self.victim:<8} {self.at:>3} {self.event:<56}"
        return f"{head} {self.found:<70} {self.seconds:5.1f} s"


@dataclass(frozen=True)
class Killing:
    """One customer, and whom the kills are meant for."""

    customer: Customer
    scenario: str
    victim: Victim

    def kill(self, verb: Verb, version: str, at: int) -> Ended:
        """Do the verb, and kill at the event; a kill of crmhost frees the lock by itself."""
        ended = run(self.customer, verb, version, Blow(self.victim, at, LATE[at % len(LATE)]))
        if not ended.struck:
            assert ended.code == 0, ended.said
        elif self.victim == "pulumi":
            assert ended.code in {0, 1}, ended.said  # it may have ended just before
            assert "Traceback" not in ended.said
        until(lambda: self._lock() in {None, UNBORN}, "the lock of the dead ends by itself", LOCK)
        return ended

    def again(self, verb: Verb, version: str, ended: Ended, at: int) -> Row:
        """Give the same command until it is done, and return what was met on the way."""
        event = ended.events[-1] if ended.struck and ended.events else "(none: it ended)"
        row = Row(self.scenario, self.victim, at, event, "nothing left to mend")
        met: list[str] = []
        begun = time.monotonic()

        def tried() -> bool:
            try:
                told = do(self.customer, verb, version, lambda event: _note(event, met))
            except CrmhostError as error:
                met.append(self._excused(error))
                return False
            met.append(told.did)
            return True

        until(tried, f"{verb} again", PATIENCE)
        row.seconds = time.monotonic() - begun
        row.found = "; ".join(dict.fromkeys(met))
        return row

    def _excused(self, error: CrmhostError) -> str:
        """Return what stood in the way, as a person would settle it; raises what must not."""
        match error:
            case LockHeld():
                time.sleep(0.5)
                return "waited for the lock"
            case Refused() if "has changed since the plan was shown" in error.what:
                return "the step ended meanwhile"
            case HostError() if "step register was begun and not finished" in error.what:
                done = self.customer.ask("SELECT count(*) FROM registration") == ["1"]
                act = "UPDATE crmhost_steps SET state = 'finished'" if done else "DELETE FROM crmhost_steps"
                self.customer.ask(f"{act} WHERE name = 'register'")
                return "register was settled by hand"
        raise error

    def _lock(self) -> str | None:
        with closing(self.customer.company.engine.client()) as client:
            try:
                return client.containers.get(naming.lock(self.customer.contract)).status
            except docker.errors.NotFound:
                return None


def _note(event: object, met: list[str]) -> None:
    phase, state, detail = (getattr(event, name) for name in ("phase", "state", "detail"))
    if phase == "recover" and state == "done" and detail not in {"create", "update", "delete"}:
        met.append(detail)


def converged(customer: Customer, version: str, notes: list[str]) -> None:
    """Fail unless the release serves, alone, with the customer's data, and nothing is left to do."""
    assert customer.get() == f"200 ready {version}, 1 accounts"
    assert customer.get("/static/style.css").startswith(f"200 /* {version} */")
    assert customer.plan(version).changes == ()
    assert customer.ask("SELECT count(*) FROM registration") == ["1"]
    assert customer.ask("SELECT name FROM account") == ["admin"]
    assert customer.notes() == notes
    with customer.target(version) as target:
        recorded = target.driver._cloud.stack.recorded()  # type: ignore[attr-defined]  # noqa: SLF001
    there = customer.there()
    assert there["containers"] == {each.name for each in expected.containers(recorded)}
    assert there["volumes"] == {*expected.volumes(recorded), naming.journal(customer.contract)}
    assert there["networks"] == {naming.network(customer.contract)}
    assert customer.left_running() == []


def gone(customer: Customer) -> None:
    """Fail unless nothing of the customer is left."""
    assert customer.there() == {"containers": set(), "volumes": set(), "networks": set()}
    assert not customer.get().startswith("200")
    assert customer.left_running() == []


def create_and_destroy(company: Company, victim: Victim, at: int) -> Iterator[Row | None]:
    """Kill a first deploy, and the destroy of what it made; None for each that ended before its turn."""
    customer = company.customer(f"k{victim[0]}{at}-{company.mark}")
    creating, ending = (Killing(customer, scenario, victim) for scenario in ("create", "destroy"))
    try:
        ended = creating.kill("deploy", "1.0", at)
        row = creating.again("deploy", "1.0", ended, at)
        converged(customer, "1.0", [])
        yield row if ended.struck else None
        ended = ending.kill("destroy", "1.0", at)
        row = ending.again("destroy", "1.0", ended, at)
        gone(customer)
        yield row if ended.struck else None
    finally:
        customer.sweep()


def same_schema(company: Company, victim: Victim, at: int) -> Iterator[Row | None]:
    """Kill an upgrade to a release of the same schema, forth and back."""
    customer = _standing(company, f"ks{victim[0]}-{company.mark}")
    before = customer.notes()
    version = "1.1" if customer.get().startswith("200 ready 1.0") else "1.0"
    killing = Killing(customer, f"same schema {version}", victim)
    ended = killing.kill("deploy", version, at)
    row = killing.again("deploy", version, ended, at)
    converged(customer, version, before)
    yield row if ended.struck else None


def other_schema(company: Company, victim: Victim, at: int) -> Iterator[Row | None]:
    """Kill an upgrade to another schema, and the rollback from it."""
    customer = _standing(company, f"ko{victim[0]}-{company.mark}")
    before = customer.notes()
    there, back = (Killing(customer, scenario, victim) for scenario in ("other schema", "back by backup"))
    ended = there.kill("deploy", "2.0", at)
    row = there.again("deploy", "2.0", ended, at)
    if row.found.endswith("restored"):  # what was killed was going back already
        there.again("deploy", "2.0", ended, at)
    converged(customer, "2.0", before)
    yield row if ended.struck else None
    customer.write("after the upgrade")
    ended = back.kill("rollback", "2.0", at)
    row = _rolled_back(back, ended, at)
    converged(customer, "1.0", before)
    yield row if ended.struck else None


def _rolled_back(back: Killing, ended: Ended, at: int) -> Row:
    """Give the rollback again, unless the killed one was through: a second one would go forth again."""
    if back.customer.get().startswith("200 ready 1.0") and back.customer.plan("1.0").changes == ():
        return Row(back.scenario, back.victim, at, ended.events[-1], "it was through")
    return back.again("rollback", "2.0", ended, at)


def _standing(company: Company, contract: str) -> Customer:
    """Return a customer who has written something, in a release of schema 1."""
    customer = company.customer(contract)
    if not company.fleet.vault.get(contract, "admin-password") or not customer.get().startswith("200"):
        customer.deploy("1.0")
        customer.write("before")
    return customer


Scenario = Callable[[Company, Victim, int], Iterator[Row | None]]


@pytest.mark.parametrize(
    ("scenario", "victim", "turns"),
    [
        (create_and_destroy, "crmhost", (32,)),
        (create_and_destroy, "pulumi", (9,)),
        (same_schema, "crmhost", (8, 31)),
        (same_schema, "pulumi", (12,)),
        (other_schema, "crmhost", (14, 30, 42)),
        (other_schema, "pulumi", (20,)),
    ],
)
def test_the_same_command_again_converges_after_a_kill_at_any_event(
    hosting: Company, scenario: Scenario, victim: Victim, turns: tuple[int, ...]
) -> None:
    """The turns lie in another phase each: staging, steps or backup, gate and switch, retiring."""
    every = itertools.takewhile(lambda at: at < LAST, itertools.count(FROM, EVERY))
    try:
        for at in every if EVERY else turns:
            rows = list(scenario(hosting, victim, at))
            for row in filter(None, rows):
                print(row, flush=True)  # noqa: T201 -- the table, with `pytest -s`
            if not any(rows):
                assert EVERY, f"there is no event {at}"
                break
    except BaseException as error:
        error.add_note(f"the {victim} was killed at event {at}")
        raise
    finally:
        for contract in (f"ks{victim[0]}-{hosting.mark}", f"ko{victim[0]}-{hosting.mark}"):
            Customer(hosting, contract).sweep()


def test_a_step_that_runs_on_after_its_deploy_was_killed_is_waited_for(hosting: Company) -> None:
    """Nobody is told to settle a step that may never run twice before it has ended."""
    customer = hosting.customer(f"kr-{hosting.mark}")
    step, fault = naming.step(customer.contract), f"{naming.DATA_FOLDER}/faults/register"
    try:
        customer.deploy("1.0")
        customer.ask("DELETE FROM crmhost_steps WHERE name = 'register'")
        with connect(Reach(hosting.engine.url)) as engine:
            web = next(name for name in customer.there()["containers"] if name.endswith("-web"))
            assert engine.execute(web, ["touch", fault], timeout=LOCK).code == 0
            with at_work(customer, "deploy", "1.1", NOBODY) as process:
                until(lambda: runs(engine.container(step), "register"), "the step runs", PATIENCE)
                process.kill()
            with pytest.raises(LockHeld, match=r"still running: .*register"):
                customer.plan("1.1")
            assert engine.execute(web, ["rm", fault], timeout=LOCK).code == 0
            assert engine.finish(step, timeout=LOCK).code == 0
        assert customer.deploy("1.1").did == "deployed"
        assert customer.plan("1.1").changes == ()
        assert customer.ask("SELECT count(*) FROM registration") == ["2"]
    finally:
        customer.sweep()


def runs(there: SeenContainer | None, step: str) -> bool:
    """Tell whether a step's container is that step's, and is up."""
    return there is not None and there.running and there.labels.get(naming.LABEL_STEP) == step


def test_a_state_that_a_kill_or_a_full_disk_tore_is_planned_for_and_mended(hosting: Company) -> None:
    customer = hosting.customer(f"kt-{hosting.mark}")
    state = hosting.fleet.state / "pulumi" / ".state" / ".pulumi" / "stacks" / "crmhost" / f"{customer.contract}.json"
    try:
        customer.deploy("1.0")
        state.with_name(f"{state.name}.attrs").write_bytes(b"")  # Pulumi does not write these at one go
        assert customer.plan("1.1").changes
        state.write_bytes(state.read_bytes()[:1000])
        named = [change for change in customer.plan("1.1").changes if change.resource == f"stack:{customer.contract}"]
        assert len(named) == 1
        assert "is damaged" in named[0].why
        assert customer.deploy("1.1").did == "deployed"
        converged(customer, "1.1", [])
    finally:
        customer.sweep()
