"""A sandbox is a whole web host, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.server import Faults
from playbooks.shell import sh
from tests.support.hosts import reach, until

pytestmark = pytest.mark.slow

DAEMON = sh("setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' </dev/null >/dev/null 2>&1 & echo started")


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not fetched does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_closing_ends_daemons_even_stubborn_ones(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        host.ask(DAEMON)
        until(lambda: len(box.running) >= 2, "the daemon runs")
        pids = box.running
    assert [pid for pid in pids if alive(pid)] == []
    box.close()


def test_a_daemon_without_its_environment_is_found_by_its_session(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        host.ask(sh("setsid sh -c 'env -i sleep 600 & wait' </dev/null >/dev/null 2>&1 &"))
        until(lambda: any(_is(pid, b"sleep\x00600") for pid in box.running), "it runs")
        pids = box.running
    assert [pid for pid in pids if alive(pid)] == []


def _is(pid: int, command: bytes) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(command)
    except OSError:
        return False


def test_a_killed_owner_leaves_no_process(tmp_path: Path) -> None:
    source = f"""
import os, signal
from pathlib import Path
from crmhost.sandbox.host import Sandbox
from tests.support.hosts import reach
from tests.crmhost.sandbox.test_host import DAEMON
box = Sandbox(Path({str(tmp_path / "box")!r})).__enter__()
host = reach(box)
host.ask(DAEMON)
print(*box.running, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", source], cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    pids = [int(text) for text in ended.stdout.split()]
    assert pids
    until(lambda: not any(map(alive, pids)), "the guardian has ended them")


def test_its_environment_is_small(tmp_path: Path) -> None:
    os.environ["CRMHOST_TEST_LEAK"] = "x"
    try:
        with Sandbox(tmp_path / "box") as box, reach(box) as host:
            names = {line.split("=", 1)[0] for line in host.ask(sh("env")).decode().splitlines()}
            assert host.ask(sh('pwd; echo "$HOME"')).decode().split() == [str(box.home)] * 2
    finally:
        del os.environ["CRMHOST_TEST_LEAK"]
    assert {"PATH", "HOME", "LANG", "PIP_CACHE_DIR"} <= names
    assert not {"CRMHOST_TEST_LEAK", "SSH_AUTH_SOCK", "USER", "VIRTUAL_ENV"} & names


def test_jobs_start_at_the_beginning_of_a_minute_by_its_clock(tmp_path: Path) -> None:
    """The clock is a minute ahead with every look, so a minute passes at once."""
    looks = [datetime(2026, 11, 22, 18, 0, tzinfo=UTC)]

    def clock() -> datetime:
        looks.append(looks[-1] + timedelta(seconds=59.9))
        return looks[-1]

    (tmp_path / "box" / "home").mkdir(parents=True)
    (tmp_path / "box" / "home" / ".crontab").write_text("* * * * * cat >ran%given\n")
    with Sandbox(tmp_path / "box", clock=clock) as box:
        until(lambda: (box.home / "ran").exists() and (box.home / "ran").read_text() == "given", "the job ran")


def test_a_watcher_sees_output_before_the_client(tmp_path: Path) -> None:
    seen: list[tuple[bytes, bool]] = []

    def watch(data: bytes, pid: int) -> None:
        seen.append((data, alive(pid)))

    with Sandbox(tmp_path / "box", faults=Faults(watch=watch)) as box, reach(box) as host:
        assert host.ask(sh("echo one")) == b"one\n"
        assert b"one" in b"".join(data for data, _ in seen)
        assert seen[0][1]


def test_the_crontab_program(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        assert b"no crontab for" in host.ask(sh("crontab -l 2>&1 || true"))
        host.ask(sh("echo '* * * * * true' | crontab -; echo '* * * * * false' >new; crontab new"))
        assert host.ask(sh("crontab -l")) == b"* * * * * false\n"
        host.ask(sh("crontab -r"))
        assert not (box.home / ".crontab").exists()
