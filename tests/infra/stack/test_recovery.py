"""A kill -9 of crmhost or of its `pulumi` at any event, then the same command: it converges and nothing is left."""

import json
import os
import signal
import socket
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from crm.errors import HostError, LockHeld
from infra import expected, leftovers
from infra.backend import Lock, StateFiles
from infra.complaints import Where
from infra.engine.reach import Reach
from infra.recovery import FORGOTTEN, Here, held, judge
from infra.rollout import Rollout
from tests.support.stackrun import Victim, run
from tests.support.stacks import Customer, Told, silent
from tests.support.until import until

NOW = datetime(2026, 10, 3, 12, 0, tzinfo=UTC)
LOCK = Lock("lock.json", 4711, "me", "here", NOW - timedelta(minutes=5))
WHERE = Where("acme", Reach("unix:///run/docker.sock"), "/fleet/.crmhost/pulumi/acme")


@pytest.mark.parametrize(
    ("lock", "here", "verdict"),
    [
        (LOCK, Here("here", (NOW - timedelta(minutes=6)).timestamp(), NOW), "alive"),
        (LOCK, Here("here", None, NOW), "dead"),
        (LOCK, Here("here", (NOW - timedelta(minutes=1)).timestamp(), NOW), "dead"),
        (LOCK, Here("there", None, NOW), "elsewhere"),
        (LOCK, Here("there", None, NOW + FORGOTTEN), "dead"),
        (replace(LOCK, pid=0, host=""), Here("here", None, NOW), "dead"),
    ],
    ids=["at work", "gone", "its pid is another's", "another machine", "another machine, long ago", "torn"],
)
def test_whose_lock_it_is(lock: Lock, here: Here, verdict: str) -> None:
    assert judge(lock, here) == verdict


def test_who_holds_a_lock_is_named_with_what_to_do() -> None:
    here = held(LOCK, "alive", WHERE)
    assert "me@here (pid 4711), since 2026-10-03 11:55:00 UTC" in here.what
    assert "kill -INT 4711" in here.remedy
    assert "pulumi cancel acme" in held(LOCK, "elsewhere", WHERE).remedy


def agrees(customer: Customer, rollout: Rollout | None) -> None:
    """Assert that the engine has what the rollout says, no more and no less, and that Pulumi thinks so too."""
    containers = (
        {each.name: "exited" if each.once else "running" for each in expected.containers(rollout)} if rollout else {}
    )
    assert dict(customer.containers()) == containers
    assert customer.volumes() == (set(expected.volumes(rollout)) if rollout else set())
    assert customer.networks() == ({f"crmhost-{customer.contract}"} if rollout else set())
    assert customer.stack.pending() == ()
    if rollout is not None:
        assert customer.stack.preview(rollout, refresh=True) == ()
    assert not list(leftovers.plugins(customer.access.folder)), "no plugin process is left"


CASES: list[tuple[str, Victim, int]] = [
    ("create", "pulumi", 3),
    ("create", "crmhost", 12),
    ("create", "pulumi", 17),
    ("upgrade", "crmhost", 5),
    ("retire", "pulumi", 2),
    ("destroy", "crmhost", 6),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("doing", "victim", "at"), CASES, ids=[f"{doing}-{victim}-{at}" for doing, victim, at in CASES]
)
def test_after_a_kill_the_same_command_converges(acme: Customer, doing: str, victim: Victim, at: int) -> None:
    old, new = acme.release("1.0", "a", "a"), acme.release("1.1", "b", "b")
    walks: dict[str, list[Rollout | None]] = {
        "create": [acme.rollout(old, serving=old)],
        "upgrade": [acme.rollout(old, serving=old), acme.rollout(old, new, serving=old)],
        "retire": [acme.rollout(old, new, serving=old), acme.rollout(new, serving=new)],
        "destroy": [acme.rollout(old, serving=old), None],
    }
    *before, goal = walks[doing]
    for rollout in before:
        assert rollout is not None
        acme.stack.up(rollout, progress=silent)
    ended = run(acme, goal, victim, at)
    assert ended.killed, ended.said
    if goal is None:
        acme.stack.destroy(keep_data=False, progress=silent)
    else:
        acme.stack.up(goal, progress=silent)
    agrees(acme, goal)


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_interrupted_and_the_next_goes_on(acme: Customer) -> None:
    release = acme.release("1.0", "a", "a")
    rollout = acme.rollout(release, serving=release)
    with pytest.raises(HostError, match=r"pulumi up did not end within 2 seconds and was interrupted"):
        acme.stack.up(rollout, progress=silent, timeout=2)
    assert not acme.files.held(), "it took its lock away and saved its state"
    acme.stack.up(rollout, progress=silent)
    agrees(acme, rollout)


@pytest.mark.slow
def test_locks_and_damaged_files(acme: Customer) -> None:
    release = acme.release("1.0", "a", "a")
    rollout = acme.rollout(release, serving=release)
    acme.stack.up(rollout, progress=silent)

    with subprocess.Popen(["sleep", "1000"]) as holder:
        lock(acme.files, holder.pid, socket.gethostname())
        with pytest.raises(LockHeld, match=rf"Pulumi is changing this stack: someone@\S+ \(pid {holder.pid}\)"):
            acme.stack.up(rollout, progress=silent)
        assert len(acme.stack.pending()) == 1
        assert acme.stack.preview(rollout) == (), "looking takes no lock"
        holder.kill()
    told = Told()
    acme.stack.up(rollout, progress=told)
    assert acme.stack.pending() == ()
    assert "took the lock of a run that was killed" in [event.detail for event in told.events if event.detail]

    lock(acme.files, 1, "another-machine")
    with pytest.raises(LockHeld, match="Pulumi on another machine is changing this stack: someone@another-machine"):
        acme.stack.up(rollout, progress=silent)
    next(acme.files.locks.glob("*.json")).write_text("")
    assert acme.stack.recover(silent) != ()

    state = acme.files.state.read_bytes()
    acme.files.state.write_bytes(state[: len(state) // 2])
    acme.files.state.with_name(f"{acme.files.state.name}.attrs").write_bytes(b"")
    assert "damaged" in acme.stack.pending()[0]
    acme.stack.up(rollout, progress=silent)
    agrees(acme, rollout)


@pytest.mark.slow
def test_what_a_damaged_state_forgot_is_made_anew_and_data_are_kept(acme: Customer) -> None:
    """The copy that Pulumi keeps is older than the kill, and knows nothing of what was made in between."""
    old = acme.release("1.0", "a", "a")
    acme.stack.up(acme.rollout(serving=None), progress=silent)
    before = acme.files.state.read_bytes()
    rollout = acme.rollout(old, serving=old)
    acme.stack.up(rollout, progress=silent)
    database = f"crmhost-{acme.contract}-db"
    until(lambda: acme.said(database, "psql", "-Xd", "crm", "-c", "SELECT 1"), "the database", 20)
    acme.say(database, "psql", "-Xd", "crm", "-c", "CREATE TABLE kept AS SELECT 42 AS answer")
    acme.files.state.write_bytes(b"")
    acme.files.previous.write_bytes(before)
    acme.stack.up(rollout, progress=silent)
    agrees(acme, rollout)
    until(lambda: acme.said(database, "psql", "-Xd", "crm", "-c", "SELECT 1"), "the database", 20)
    assert acme.say(database, "psql", "-XAtd", "crm", "-c", "SELECT answer FROM kept") == "42\n"


def test_a_pulumi_of_somebody_else_is_no_orphan_of_ours() -> None:
    with subprocess.Popen(["sleep", "1000"]) as other:
        try:
            assert not leftovers.end_orphan(other.pid)
            assert psutil.Process(other.pid).is_running()
        finally:
            other.kill()


def test_a_pulumi_whose_crmhost_is_gone_is_interrupted() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    environment = {**os.environ, "CRMHOST_STARTED_BY": f"{gone.pid}:{0}"}
    with subprocess.Popen(["sleep", "1000"], env=environment) as orphan:
        try:
            # A program is there a moment before its environment is.
            until(lambda: "CRMHOST_STARTED_BY" in psutil.Process(orphan.pid).environ(), "its environment")
            assert leftovers.end_orphan(orphan.pid)
            assert orphan.wait(10) == -signal.SIGINT
        finally:
            orphan.kill()


def lock(files: StateFiles, pid: int, host: str) -> None:
    """Write a lock as Pulumi does."""
    since = datetime.now(UTC).isoformat()
    files.locks.mkdir(parents=True, exist_ok=True)
    content = {"pid": pid, "username": "someone", "hostname": host, "timestamp": since}
    (files.locks / "b7f5.json").write_text(json.dumps(content))
