"""Two engineers at one host whose lock is a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crm.errors import LockHeld
from crmhost import deploy
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.lock import Lease, hold, holder
from playbooks.sftponly.sftp import Files
from tests.playbooks.sftponly.test_walk import OURS, deployed, left_over, means, page, planned
from tests.support.memo.recipe import Archives, memo_want
from tests.support.sftphost import LEASE, ROOT, SftpHost
from tests.support.until import until

pytestmark = pytest.mark.slow
LAYOUT = Layout("acme", ROOT)
SAMPLE = (5, 13, 25)
"""After which of the things that a deploy tells, its lines in the host's journal among them, CI kills it."""
WHOLE = "CRMHOST_TEST_WHOLE"
"""Set: after every one of them."""


def test_two_engineers_at_once(sftp_host: SftpHost, archives: Archives) -> None:
    """The second is told who is at work; once the first is silent it is taken over, and the first one stops."""
    with sftp_host.driver(archives) as ann, sftp_host.driver(archives, who="bob@test") as bob:
        with ann.lock("deploy memo-1.0"):
            with pytest.raises(LockHeld, match=r"ann@test: deploy memo-1\.0; last sign of life \d s ago"):
                deploy.deploy(bob, memo_want(), means(sftp_host), confirm=lambda _: True)
            held = holder(Files(sftp_host.reach()), LAYOUT, int(sftp_host.run("date +%s")))
            assert held is not None
            assert held.who == "ann@test"
        assert deploy.deploy(bob, memo_want(), means(sftp_host), confirm=lambda _: True).did == "deployed"


def test_a_holder_without_a_sign_of_life_is_taken_over(sftp_host: SftpHost, archives: Archives) -> None:
    silent = Lease(silence=1.0, beat=3600.0)
    with sftp_host.reach() as first, sftp_host.reach() as second:
        Files(first).folder(LAYOUT.root)
        with hold(first, LAYOUT, "deploy", "ann@test", silent) as ann:
            ann.confirm()
            until(lambda: _idle(sftp_host) > silent.silence, "the lease is over", 30)
            with hold(second, LAYOUT, "deploy", "bob@test", silent) as bob:
                bob.confirm()
                with pytest.raises(LockHeld, match="not ours any more; bob@test holds it now: deploy"):
                    ann.confirm()
        assert sftp_host.run(f"ls -A {OURS}") == ""
    assert deployed(sftp_host, archives).did == "deployed"


def test_signs_of_life_are_shown(sftp_host: SftpHost) -> None:
    with sftp_host.reach() as first, sftp_host.reach() as second:
        Files(first).folder(LAYOUT.root)
        with hold(first, LAYOUT, "deploy", "ann@test", LEASE):
            begun = int(sftp_host.run("date +%s"))
            until(lambda: int(sftp_host.run("date +%s")) > begun + LEASE.silence + 1, "more than the lease", 30)
            with (
                pytest.raises(LockHeld, match="ann@test"),
                hold(second, LAYOUT, "deploy", "bob@test", LEASE),
            ):
                pass


def test_killed_and_run_again(sftp_host: SftpHost, archives: Archives, tmp_path: Path) -> None:
    """kill -9 of a first deploy, then of one of another version; the same command again ends the same."""
    points = range(1, 100) if os.environ.get(WHOLE) else SAMPLE
    for version, before in (("1.0", None), ("1.1", "1.0")):
        for point in points:
            if before is not None:
                deployed(sftp_host, archives, before)
            last = _killed(sftp_host, tmp_path, version, point)
            if last is None:
                break
            until(lambda: _idle(sftp_host) > LEASE.silence, "the lease is over", 30)
            deployed(sftp_host, archives, version)
            _whole(sftp_host, archives, version)
            print(f"killed after {point:2} {last}")  # noqa: T201 -- the table, shown with -s
            sftp_host.reset()


def _whole(host: SftpHost, archives: Archives, version: str) -> None:
    assert planned(host, archives, version).changes == ()
    assert f"memo {version} in vi" in page(host)
    assert left_over(host) == ""
    assert host.run("mariadb -N acme -e 'select count(*) from users'") == "1\n"


def _killed(host: SftpHost, folder: Path, version: str, point: int) -> str | None:
    """Deploy in a process of its own that is killed; return what it told last, or None where it ended before."""
    command = [sys.executable, "-m", "tests.support.sftpdeployer", host.address, str(host.folder), str(folder)]
    done = subprocess.run(
        [*command, version, str(point)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 0:
        return None
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stderr.splitlines()[-1]


def _idle(host: SftpHost) -> int:
    """Return how many seconds ago the last sign of life was; a large number where there never was one."""
    ask = f"echo $(( $(date +%s) - $(stat -c %Y {OURS}/alive-* 2>/dev/null | sort -n | tail -n 1 || true) + 0 ))"
    return int(host.run(ask))
