"""kill -9 of a change over SFTP at what it tells, the lines of the host's journal among them; the same command again.

CRMHOST_KILL_EVERY=1 kills at every one of them instead of at some; with `pytest -s` a table shows what was found.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from crm import maintenance
from crm.errors import GateFailed, HostError, Refused
from tests.playbooks.sftponly.test_moving import UPLOAD, memos, titled, written
from tests.playbooks.sftponly.test_walk import OURS, deployed, left_over, page, planned
from tests.support.memo.recipe import Archives
from tests.support.sftpdeployer import Verb, do
from tests.support.sftphost import LEASE, SftpHost
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
HALVES = {"another schema", "no database"}
"""What a release says whose database is not its own."""
EVERY = int(os.environ.get("CRMHOST_KILL_EVERY", "0"))
LAST = 200
"""No change tells so much."""
LATE = (0.0, 0.02, 0.1)
"""Seconds after the event, taken in turn: between two events lies what is done without telling."""
ALTERED = "<?php // altered"
PHASES = ("plan ", "lock ", "recover ", "backup ", "stage ", "steps ", "gate ", "switch ", "retire ", "journal ")
"""With which what is told begins; an error's lines do not."""


@dataclass(frozen=True)
class Scenario:
    """What is there, what is killed, and what must be there once the same command was given again."""

    verb: Verb
    version: str
    before: Callable[[SftpHost, Archives], object]
    after: Callable[[SftpHost, Archives], None]


def _altered(host: SftpHost, archives: Archives) -> None:
    deployed(host, archives)
    host.run(f"echo '{ALTERED}' >{OURS}/current/app/htdocs/greet.php; rm {OURS}/current/app/htdocs/style.css")


def _two(host: SftpHost, archives: Archives) -> None:
    deployed(host, archives)
    deployed(host, archives, "1.1")


def serves(version: str) -> Callable[[SftpHost, Archives], None]:
    """Return what fails unless the release serves, with one administrator, and nothing is left to do."""

    def whole(host: SftpHost, archives: Archives) -> None:
        assert planned(host, archives, version).changes == ()
        until(lambda: f"memo {version} in vi" in page(host), "each process of PHP looks where the link leads now", 150)
        assert left_over(host) == ""
        assert host.run("mariadb -N acme -e 'select count(*) from users'") == "1\n"

    return whole


def _kept(host: SftpHost, archives: Archives) -> None:
    serves("1.0")(host, archives)
    assert ALTERED in host.run(f"cat {OURS}/kept/*/htdocs/greet.php")


def _customers(host: SftpHost, archives: Archives) -> None:
    """Deploy, and let customers write something."""
    deployed(host, archives)
    written(host, "first memo")
    host.run(f"echo dear >{UPLOAD}; chown acme: {UPLOAD}")


def _lost(host: SftpHost, archives: Archives) -> None:
    """Make a backup, and lose something."""
    _customers(host, archives)
    do(host, archives, "back up", "1.0")
    written(host, "second memo")
    host.run(f"rm {UPLOAD}")


def _upgraded(host: SftpHost, archives: Archives) -> None:
    _customers(host, archives)
    do(host, archives, "deploy", "2.0")
    written(host, "second memo")


def _with_titles(host: SftpHost, archives: Archives) -> None:
    assert titled(host) == ["first\tfirst memo"]
    serves("2.0")(host, archives)
    assert host.run(f"cat {UPLOAD}") == "dear\n"


def _as_before(host: SftpHost, archives: Archives) -> None:
    """What was backed up is there."""
    assert memos(host) == ["first memo"]
    serves("1.0")(host, archives)
    assert host.run(f"cat {UPLOAD}") == "dear\n"


def _gone(host: SftpHost, _: Archives) -> None:
    assert host.run("find /srv/acme/site -printf '%P '") == " public public/index.html "
    assert host.run("mariadb -N acme -e 'show tables'") == ""


SCENARIOS = {
    "first deploy": Scenario("deploy", "1.0", lambda _host, _archives: None, serves("1.0")),
    "another version": Scenario("deploy", "1.1", deployed, serves("1.1")),
    "a broken version": Scenario("deploy", "broken", deployed, serves("1.0")),
    "files altered": Scenario("deploy", "1.0", _altered, _kept),
    "rollback": Scenario("rollback", "1.1", _two, serves("1.0")),
    "upgrade": Scenario("deploy", "2.0", _customers, _with_titles),
    "upgrade that fails": Scenario("deploy", "3.0", _customers, _as_before),
    "upgrade taken back": Scenario("rollback", "2.0", _upgraded, _as_before),
    "restore": Scenario("restore", "1.0", _lost, _as_before),
    "destroy": Scenario("destroy", "1.0", deployed, _gone),
}
SAMPLE = {
    "first deploy": ((12, 0.0), (21, 0.0)),
    "another version": ((13, 0.02),),
    "files altered": ((6, 0.02),),
    "rollback": ((9, 0.0),),
    "upgrade": ((26, 0.02),),
    "restore": ((19, 0.1),),
    "destroy": ((3, 0.02),),
}
"""The so-manieth event after which CI kills each, and how many seconds later."""
WITHIN = {
    "destroy": tuple((3, tenth / 10) for tenth in range(1, 6)),
    "upgrade": tuple((13, tenth / 10) for tenth in range(1, 12, 2)) + tuple((33, n / 100) for n in range(4, 28, 4)),
    "upgrade taken back": tuple((4, tenth / 10) for tenth in range(1, 12, 2)),
}
"""What takes long and tells nothing meanwhile."""


def turns(name: str) -> Iterator[tuple[int, float]]:
    """Yield when it is killed."""
    if not EVERY:
        yield from SAMPLE[name]
        return
    yield from WITHIN.get(name, ())
    yield from ((number, LATE[number % len(LATE)]) for number in range(1, LAST, EVERY))


@pytest.mark.parametrize("name", SCENARIOS if EVERY else SAMPLE)
def test_killed_and_run_again(sftp_host: SftpHost, tmp_path: Path, name: str) -> None:
    """The same command again ends the same, wherever it was killed."""
    scenario, archives = SCENARIOS[name], Archives(tmp_path)
    for number, late in turns(name):
        scenario.before(sftp_host, archives)
        with watched(sftp_host) as saw:
            told, struck = _killed(sftp_host, tmp_path, scenario, (number, late))
            begun = time.monotonic()
            met = _again(sftp_host, archives, scenario) if struck else "it was through"
        scenario.after(sftp_host, archives)
        assert not saw & HALVES, f"{name} {number} {late} {told[-1]}: customers saw a half state"
        print(f"{name:<16} {number:>3} + {late:.2f} s {told[-1]:<46} {met:<16} {time.monotonic() - begun:5.1f} s")  # noqa: T201 -- the table, shown with -s
        sftp_host.reset()
        if len(told) < number:
            assert EVERY, f"{name} tells fewer than {number} things"
            return


def test_an_upgrade_that_was_killed_is_taken_back(sftp_host: SftpHost, tmp_path: Path) -> None:
    """While it is under way nobody is let in, and a version that is neither of the two is refused."""
    archives, scenario = Archives(tmp_path), SCENARIOS["upgrade"]
    scenario.before(sftp_host, archives)
    _, struck = _killed(sftp_host, tmp_path, scenario, (25, 0.02))
    assert struck
    assert page(sftp_host) == maintenance.page()
    until(lambda: idle(sftp_host) > LEASE.silence, "the lease is over", 30)
    with pytest.raises(Refused, match=r"an upgrade from .* is under way; memo-1.1"):
        do(sftp_host, archives, "deploy", "1.1")
    assert page(sftp_host) == maintenance.page()
    assert do(sftp_host, archives, "rollback", "2.0") == "rolled back"
    _as_before(sftp_host, archives)


def _again(host: SftpHost, archives: Archives, scenario: Scenario) -> str:
    until(lambda: idle(host) > LEASE.silence, "the lease is over", 30)
    if scenario.version == "broken":
        with pytest.raises(GateFailed, match="500 broken"):
            do(host, archives, scenario.verb, scenario.version)
        return "refused again"
    if scenario.version == "3.0":
        with (
            pytest.raises(HostError, match="step titles did not answer") if not _back(host, archives) else nullcontext()
        ):
            do(host, archives, scenario.verb, scenario.version)
        return "refused again"
    if scenario.verb == "rollback":
        with host.driver(archives) as driver:
            if str(driver.serving()).startswith("memo-1.0-"):  # a second rollback would go forth again
                return do(host, archives, "deploy", "1.0")
    return do(host, archives, scenario.verb, scenario.version)


def _killed(host: SftpHost, folder: Path, scenario: Scenario, turn: tuple[int, float]) -> tuple[list[str], bool]:
    """Do it in a process of its own that is killed; return what it told, and whether it did not end before."""
    command = [sys.executable, "-m", "tests.support.sftpdeployer", host.address, str(host.folder), str(folder)]
    done = subprocess.run(
        [*command, scenario.verb, scenario.version, *map(str, turn)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    struck = done.returncode == -signal.SIGKILL
    refused = any(said in done.stderr for said in ("500 broken", "step titles did not answer"))
    assert struck or done.returncode == 0 or refused, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith(PHASES)], struck


def _back(host: SftpHost, archives: Archives) -> bool:
    """Tell whether the same command only goes on going back."""
    with host.driver(archives) as driver:
        found = driver.crossing()
        return found is not None and found.phase == "restoring"


@contextmanager
def watched(host: SftpHost) -> Iterator[set[str]]:
    """Ask for the first page again and again while the block runs, and give what was seen."""
    saw: set[str] = set()
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.02):
            answer = host.site.get("/index.php")
            saw.add("the page" if answer.text == maintenance.page() else answer.text)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield saw
    finally:
        over.set()
        thread.join()


def idle(host: SftpHost) -> int:
    """Return how many seconds ago the last sign of life was; a large number where there never was one."""
    ask = f"echo $(( $(date +%s) - $(stat -c %Y {OURS}/alive-* 2>/dev/null | sort -n | tail -n 1 || true) + 0 ))"
    return int(host.run(ask).strip() or 0)
