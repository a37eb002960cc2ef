"""The processes: each by itself, as many as allowed, all ended on Ctrl-C, and none left by a parent that dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from crmhost.fleetwide.pool import run_all
from crmhost.fleetwide.schedule import Rules
from tests.support.fleets import Acting, Seen, jobs
from tests.support.until import until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ALONE = """\
import json, sys
from dataclasses import asdict
from pathlib import Path
from crmhost.fleetwide.child import starts_by
from crmhost.fleetwide.pool import run_all
from crmhost.fleetwide.schedule import Rules
from tests.support.fleets import Acting, Seen, jobs
if __name__ == "__main__":
    folder, parallel, *names = sys.argv[1:]
    assert starts_by() == "fork" or sys.platform != "linux"
    seen = Seen()
    ran = run_all(jobs(*names), Acting(Path(folder)), Rules(int(parallel)), seen)
    endings = [asdict(one) for one in ran.endings]
    print(json.dumps({"endings": endings, "interrupted": ran.interrupted, "stops": seen.stops}))
"""
"""A process with one thread, as the command is, so that the others are begun by fork."""


@contextmanager
def alone(folder: Path, parallel: int, *names: str) -> Iterator[subprocess.Popen[str]]:
    """Work on contracts in a process that a test may interrupt."""
    with subprocess.Popen(
        [sys.executable, "-c", ALONE, str(folder), str(parallel), *names],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def dids(process: subprocess.Popen[str]) -> tuple[dict[str, str], dict[str, object]]:
    """Return how each ended, and all that was printed."""
    told = json.loads(process.communicate(timeout=60)[0])
    return {one["contract"]: one["did"] for one in told["endings"]}, told


def pid_of(folder: Path, contract: str) -> int:
    """Return the process that works on a contract, once it does."""
    until((folder / contract).exists, f"{contract} is at work", 60)
    return int((folder / contract).read_text())


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_failure_of_one_stops_no_other_and_is_told_in_full(tmp_path: Path) -> None:
    seen = Seen()
    ran = run_all(jobs("broken", "a", "bug", "dead", "b"), Acting(tmp_path), Rules(2), seen)
    found = {ending.contract: ending for ending in ran.endings}
    assert [ending.did for ending in ran.endings] == ["failed", "deployed", "failed", "failed", "deployed"]
    assert found["broken"].what == "broken.example: the disk is full"
    assert found["broken"].remedy == "Make room.\nThen run it again."
    assert found["bug"].what == "this is a bug in crmhost: RuntimeError"
    assert found["dead"].what == "its process ended by signal 9 before it said how the work ended"
    assert {name for name, _ in seen.events} == set(found)
    assert len({(tmp_path / name).read_text() for name in found}) == 5, "each has a process of its own"
    assert not ran.interrupted


def test_no_more_are_at_work_than_the_rules_and_the_hosts_allow(tmp_path: Path) -> None:
    seen = Seen()
    shared = jobs("brief-1", "brief-2", "brief-3", place="docker", room=1)
    ran = run_all((*shared, *jobs("brief-4", "brief-5", "brief-6")), Acting(tmp_path), Rules(3), seen)
    assert {ending.did for ending in ran.endings} == {"deployed"}
    assert (seen.most["docker"], seen.most[""]) == (1, 3)


def test_fail_fast_begins_nothing_more_and_says_why(tmp_path: Path) -> None:
    ran = run_all(jobs("broken", "a", "b"), Acting(tmp_path), Rules(1, fail_fast=True), Seen())
    assert [(one.did, one.what) for one in ran.endings[1:]] == [
        ("not begun", "broken failed, and --fail-fast was given")
    ] * 2
    assert not (tmp_path / "a").exists()


def test_the_rest_begins_only_when_the_canary_serves(tmp_path: Path) -> None:
    seen = Seen()
    ran = run_all(jobs("brief", "a", "b"), Acting(tmp_path), Rules(3, canary=1), seen)
    assert {one.did for one in ran.endings} == {"deployed"}
    assert seen.began[0] == "brief"
    assert seen.ended[0].contract == "brief"
    failed = run_all(jobs("broken", "c", "d"), Acting(tmp_path), Rules(3, canary=1), Seen())
    assert [one.did for one in failed.endings] == ["failed", "not begun", "not begun"]
    assert failed.endings[1].what == "the canary broken was not deployed"


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_lets_what_runs_tidy_up_and_names_what_was_not_done(tmp_path: Path, told: signal.Signals) -> None:
    with alone(tmp_path, 3, "a", "slow-1", "slow-2", "b", "c") as process:
        pids = [pid_of(tmp_path, name) for name in ("slow-1", "slow-2", "c")]
        until(lambda: gone(pids[2]), "c ended")
        process.send_signal(told)
        found, told_of = dids(process)
    assert found == {"a": "deployed", "slow-1": "stopped", "slow-2": "stopped", "b": "deployed", "c": "deployed"}
    stops = told_of["stops"]
    assert isinstance(stops, list)
    assert [{"slow-1", "slow-2"} <= set(one) for one in stops] == [True], "interrupted once, and not again"
    assert told_of["interrupted"] is True
    assert (tmp_path / "slow-1.tidied").exists()
    assert all(map(gone, pids))


def test_ctrl_c_reaches_who_is_speaking_all_the_time(tmp_path: Path) -> None:
    """Messages larger than a pipe takes at once, from two threads each: none is torn, and no interruption is lost."""
    names = [f"chatty-{number}" for number in range(4)]
    with alone(tmp_path, 4, *names) as process:
        for name in names:
            pid_of(tmp_path, name)
        process.send_signal(signal.SIGINT)
        found, _ = dids(process)
    assert found == dict.fromkeys(names, "stopped")


def test_what_waits_is_not_begun_after_ctrl_c(tmp_path: Path) -> None:
    with alone(tmp_path, 1, "slow", "a", "b") as process:
        pid_of(tmp_path, "slow")
        process.send_signal(signal.SIGINT)
        found, _ = dids(process)
    assert found == {"slow": "stopped", "a": "not begun", "b": "not begun"}
    assert not (tmp_path / "a").exists()


def test_nothing_outlives_a_command_that_is_killed(tmp_path: Path) -> None:
    with alone(tmp_path, 2, "slow-1", "slow-2") as process:
        pids = [pid_of(tmp_path, name) for name in ("slow-1", "slow-2")]
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: all(map(gone, pids)), "the processes of both contracts are gone")
    assert (tmp_path / "slow-1.tidied").exists()
