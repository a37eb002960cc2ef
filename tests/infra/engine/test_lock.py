"""The lock ends with its holder, however that ends, and not before; the journal keeps what was done."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import pytest

from crm.errors import HostError, LockHeld
from crm.plan import Event
from infra import naming
from infra.engine.connect import Reach, connect
from infra.engine.lock import Claim, hold, holder, journal, lock
from infra.engine.run import create
from tests.infra.engine.conftest import Case
from tests.support.until import until

pytestmark = pytest.mark.slow
SILENCE = 2


def claim(case: Case, who: str = "me@here") -> Claim:
    return Claim(
        naming.lock(case.contract),
        case.image,
        naming.labels(case.contract, "lock"),
        "deploy creme-2.8.6",
        who,
        subject=case.contract,
        silence=SILENCE,
    )


def _hold(reach: Reach, what: Claim, told: Connection) -> None:
    with connect(reach) as host, hold(host, what) as held:
        held.step("migrate")
        told.send("held")
        signal.pause()


@contextmanager
def elsewhere(case: Case) -> Iterator[int]:
    """Let another process hold the lock, with no sign of life after its first words; give its pid."""
    context = multiprocessing.get_context("spawn")
    told, tell = context.Pipe(duplex=False)
    process = context.Process(target=_hold, args=(case.host.reach, claim(case, "other@there"), tell))
    process.start()
    try:
        assert told.recv() == "held"
        yield process.pid or 0
    finally:
        process.kill()
        process.join()


def test_only_one_holds_it_and_the_other_is_told_who(case: Case) -> None:
    with lock(case.host, case.contract, "deploy creme-2.8.6", "me@here", image=case.image) as held:
        held.step("migrate")
        until(lambda: "migrate" in (holder(case.host, case.contract) or ""), "the step in the lock's log")
        with (
            pytest.raises(LockHeld, match=r"me@here is at work \(deploy creme-2\.8\.6, step migrate\)"),
            lock(case.host, case.contract, "destroy", "you@there", image=case.image),
        ):
            pass
    assert holder(case.host, case.contract) is None
    with lock(case.host, case.contract, "destroy", "you@there", image=case.image):
        assert holder(case.host, case.contract) == "you@there is at work (destroy)"
    assert not case.host.seen(case.contract).containers


def test_the_journal_keeps_every_line(case: Case) -> None:
    assert journal(case.host, case.contract) == ()
    with lock(case.host, case.contract, "deploy", "me@here", image=case.image) as held:
        for number in range(50):
            held.journal(Event("steps", f"{number} \\n \"quoted\" 'too' $HOME \n", "done", seconds=0.5))
    with lock(case.host, case.contract, "destroy", "me@here", image=case.image):
        pass
    lines = journal(case.host, case.contract)
    assert [line["doing"] for line in lines if "doing" in line] == ["deploy", "destroy"]
    events = [line for line in lines if "phase" in line]
    assert [event["subject"] for event in events] == [f"{n} \\n \"quoted\" 'too' $HOME \n" for n in range(50)]
    assert set(events[0]) == {"at", "phase", "subject", "state", "seconds"}


def test_a_journal_that_a_kill_left_half_made_is_made_whole(case: Case) -> None:
    case.host.make_volume(naming.journal(case.contract), naming.labels(case.contract, "journal"))
    with lock(case.host, case.contract, "deploy x", "me@here", image=case.image) as held:
        held.journal(Event("stage", "x", "done"))
        held.check()
    assert [entry.get("subject") for entry in journal(case.host, case.contract)] == [None, "x"]


def test_a_holder_that_was_killed_frees_it_at_once(case: Case) -> None:
    with elsewhere(case) as pid:
        with pytest.raises(LockHeld, match="other@there"), hold(case.host, claim(case)):
            pass
        os.kill(pid, signal.SIGKILL)
        until(lambda: holder(case.host, case.contract) is None, "the end of the lock")
        with hold(case.host, claim(case)):
            assert "me@here" in (holder(case.host, case.contract) or "")


def test_a_holder_that_froze_loses_it_after_a_silence(case: Case) -> None:
    with elsewhere(case) as pid:
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        until(lambda: holder(case.host, case.contract) is None, "the end of the lock")
        assert time.monotonic() - begun > SILENCE / 2


def test_who_lost_the_lock_is_told_and_does_no_more(case: Case) -> None:
    with hold(case.host, claim(case)) as held:
        case.host.remove(naming.lock(case.contract))
        with pytest.raises(HostError, match="the lock was lost while deploy creme-2"):
            until(held.check, "the loss")
        with pytest.raises(HostError, match="the lock was lost"):
            held.journal(Event("gate", "x", "begin"))


def test_a_step_that_still_runs_holds_the_lock_whoever_started_it(case: Case) -> None:
    step = case.one_shot("sleep", "300", name="step")
    case.host.start(create(case.host.client, step))
    with (
        pytest.raises(LockHeld, match="whoever started it is gone, and it still runs"),
        lock(case.host, case.contract, "deploy", "me@here", image=case.image),
    ):
        pass
    assert holder(case.host, case.contract)
    case.host.remove(step.name)
    with lock(case.host, case.contract, "deploy", "me@here", image=case.image):
        pass


def test_a_lock_that_has_ended_and_was_not_removed_is_in_nobodys_way(case: Case) -> None:
    dead = case.one_shot("true", name="lock")
    case.host.start(create(case.host.client, dead))
    until(lambda: (seen := case.host.container(dead.name)) and seen.state == "exited", "its end")
    with hold(case.host, claim(case)):
        pass
