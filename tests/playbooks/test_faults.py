"""Whatever dies: nobody is blocked for longer than a minute or the running step, and nothing half-done goes on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.errors import HostError, LockHeld
from crmhost.sandbox.host import Sandbox
from playbooks.host import Host
from playbooks.session import Session, lock
from playbooks.shell import Sh, sh
from tests.support.hosts import operator, reach, until

pytestmark = pytest.mark.slow

SAFE, UNSAFE = "safe=True", "safe=False"


def free(host: Host) -> bool:
    """Tell whether nobody holds the lock, by asking the kernel and nobody else."""
    answer = host.ask(sh("cd .crmhost/acme && if flock -n lock true; then echo free; else echo held; fi"))
    return answer == b"free\n"


def job(box: Sandbox) -> int:
    """Return the process id of the running job, once there is one."""
    path = box.home / ".crmhost" / "acme" / "job"
    until(lambda: path.exists() and path.read_text().endswith("\n"), "a job runs")
    return int(path.read_text().split()[0])


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children(pid: int) -> set[int]:
    """Return the processes that it started and that still run."""
    pids = {int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return {child for child in pids if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z"}


@pytest.fixture
def other(box: Sandbox) -> Iterator[Host]:
    """Return the connection of somebody who looks on."""
    with reach(box) as reached:
        yield reached


def at_work(box: Sandbox, seconds: float, safety: str, silence: int = 45) -> str:
    """Return an operation whose one step says when it began, and touches `after` if it is let."""
    step = f"touch {box.home}/before; sleep {seconds}; touch {box.home}/after"
    return f"""
with lock(host, "acme", "deploy", "ann@laptop", silence={silence}, beat=1) as session:
    session.run("migrate", Sh({step!r}), {safety})
    say("finished")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_client_ends_a_safe_step(box: Sandbox, other: Host, number: signal.Signals) -> None:
    with operator(box, at_work(box, 60, SAFE)) as client:
        until((box.home / "before").exists, "the step runs")
        assert not free(other)
        client.send_signal(number)
        assert until(lambda: free(other), "the lock is free") < 15
    assert not (box.home / "after").exists()


def test_a_killed_client_lets_an_unsafe_step_finish_under_the_lock(box: Sandbox, other: Host) -> None:
    with operator(box, at_work(box, 3, UNSAFE)) as client:
        until((box.home / "before").exists, "the step runs")
        client.kill()
        with (
            pytest.raises(LockHeld, match=r"ann@laptop: deploy, since .*; step migrate"),
            lock(other, "acme", "x", "b"),
        ):
            pytest.fail("two at once")
        until(lambda: free(other), "the lock is free")
    assert (box.home / "after").exists()


@pytest.mark.parametrize("safety", [SAFE, UNSAFE])
def test_silence_ends_an_operation(box: Sandbox, other: Host, safety: str) -> None:
    """A client that is stopped, or whose network is gone, keeps its connection open and says nothing."""
    with operator(box, at_work(box, 60 if safety == SAFE else 8, safety, silence=3)) as client:
        until((box.home / "before").exists, "the step runs")
        client.send_signal(signal.SIGSTOP)
        assert until(lambda: free(other), "the lock is free") < 15
        assert (box.home / "after").exists() == (safety == UNSAFE)
        client.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("safety", [SAFE, UNSAFE])
def test_a_killed_keeper(box: Sandbox, other: Host, safety: str) -> None:
    with operator(box, at_work(box, 60 if safety == SAFE else 4, safety)) as client:
        until((box.home / "before").exists, "the step runs")
        os.kill(parent(job(box)), signal.SIGKILL)
        assert until(lambda: free(other), "the lock is free") < 15
        client.wait(30)
    assert (box.home / "after").exists() == (safety == UNSAFE)


def test_a_killed_watcher_is_replaced(box: Sandbox, other: Host) -> None:
    with operator(box, at_work(box, 60, SAFE, silence=3)) as client:
        until((box.home / "before").exists, "the step runs")
        keeper = parent(job(box))
        [watcher] = children(keeper) - {job(box)}
        os.kill(watcher, signal.SIGKILL)
        until(lambda: bool(children(keeper) - {job(box), watcher}), "another watcher")
        client.send_signal(signal.SIGSTOP)
        assert until(lambda: free(other), "the lock is free") < 15
        client.send_signal(signal.SIGCONT)


def test_a_killed_step_is_reported_and_its_rest_is_ended(box: Sandbox, host: Host) -> None:
    with lock(host, "acme", "deploy", "ann", beat=0.5) as session:
        with killing(box, session) as pid, pytest.raises(HostError, match="migrate was killed on the host"):
            session.run("migrate", sh("touch before; sleep 60; touch after"), safe=True)
        until(lambda: not Path(f"/proc/{pid}").exists(), "the step is gone")
        assert session.run("next", sh("echo fine"), safe=True).text == "fine\n"
    assert not (box.home / "after").exists()


def test_what_is_left_of_a_killed_unsafe_step_is_awaited(box: Sandbox, host: Host) -> None:
    with (
        lock(host, "acme", "deploy", "ann", beat=0.5) as session,
        killing(box, session),
        pytest.raises(HostError, match="migrate was killed on the host"),
    ):
        session.run("migrate", sh("touch before; sh -c 'sleep 3; touch after'; :"), safe=False)
    assert (box.home / "after").exists()


class killing:  # noqa: N801 - reads as the context manager that it is
    """Kills the job's leader once its step has begun."""

    def __init__(self, box: Sandbox, session: Session) -> None:
        self._box = box
        self._killer = subprocess.Popen(
            ["sh", "-c", 'until [ -e "$1/before" ]; do sleep 0.05; done; read p m <"$1/$2/job"; kill -9 "$p"', "sh",
             str(box.home), session.operation.folder]
        )  # fmt: skip

    def __enter__(self) -> int:
        return self._killer.pid

    def __exit__(self, *_: object) -> None:
        self._killer.wait(30)


def test_keeper_and_watcher_killed_at_once_end_a_batch_at_its_next_act(box: Sandbox, other: Host) -> None:
    acts = "\n".join(
        f"note begin '\"act:{n}\"'; touch {box.home}/act{n}; sleep 1; note done '\"act:{n}\"'" for n in range(60)
    )
    source = f"""
with lock(host, "acme", "deploy", "ann") as session:
    session.batch(Sh({acts!r}))
"""
    with operator(box, source):
        until((box.home / "act0").exists, "the batch runs")
        keeper = parent(job(box))
        for pid in (*(children(keeper) - {job(box)}), keeper):
            os.kill(pid, signal.SIGKILL)
        assert until(lambda: free(other), "the lock is free") < 15
        assert not (box.home / "act10").exists()


def test_a_cut_connection_is_an_error_and_frees_the_lock(box: Sandbox) -> None:
    lost = pytest.raises(HostError, match=r"the connection (ended during slow|was lost)")
    with reach(box) as host, lost, lock(host, "acme", "deploy", "ann") as session:
        box.cut()
        session.run("slow", Sh("sleep 60"), safe=True)
    with reach(box) as again:
        until(lambda: free(again), "the lock is free")


def test_nothing_of_an_operation_stays_behind(box: Sandbox, other: Host) -> None:
    with operator(box, at_work(box, 60, SAFE)) as client:
        until((box.home / "before").exists, "the step runs")
        client.kill()
        until(lambda: free(other), "the lock is free")
    with lock(other, "acme", "deploy", "bob"):
        pass
    until(lambda: box.running == frozenset(), "every process has ended", 10)
    assert sorted(path.name for path in (box.home / ".crmhost" / "acme" / "staging").iterdir()) == []
