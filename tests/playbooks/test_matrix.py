"""A deploy's client, or its script on the host, killed at every single line of the journal; then the same once more."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.server import Faults
from playbooks.converge import apply, changes
from playbooks.host import Host
from playbooks.journal import read
from playbooks.observe import observe
from playbooks.session import lock
from playbooks.shell import sh
from tests.playbooks.test_shells import RESOURCES
from tests.support.hosts import operator, reach, until

pytestmark = pytest.mark.slow

LINES = 2 * len(RESOURCES)
SOURCE = """
from playbooks.converge import apply
from playbooks.observe import observe
from tests.playbooks.test_shells import RESOURCES
with lock(host, "acme", "deploy", "ann") as session:
    apply(session, RESOURCES, observe(host, RESOURCES).seen, lambda _: None)
"""


@dataclass
class Killer:
    """Kills `victim` with SIGKILL when the journal's n-th line passes by."""

    line: int
    home: Path
    victim: int = 0  # a process id; 0: the job on the host
    passed: int = 0
    struck: list[int] = field(default_factory=list)

    def watch(self, data: bytes, _pid: int) -> None:
        self.passed += data.count(b" note {")
        if self.passed >= self.line and not self.struck:
            pid = self.victim or int((self.home / ".crmhost" / "acme" / "job").read_text().split()[0])
            self.struck.append(pid)
            os.kill(pid, signal.SIGKILL)


def free(host: Host) -> bool:
    return host.ask(sh("cd .crmhost/acme && if flock -n lock true; then echo free; fi")) == b"free\n"


@pytest.mark.parametrize("victim", ["client", "script"])
@pytest.mark.parametrize("line", range(1, LINES))
def test_killed_at_a_line_and_run_again(tmp_path: Path, victim: str, line: int) -> None:
    root = tmp_path / "box"
    killer = Killer(line, root / "home")
    with Sandbox(root, faults=Faults(watch=killer.watch)) as box, reach(box) as host:
        if victim == "client":
            with operator(box, "sys.stdin.readline()\n" + SOURCE) as client:
                killer.victim = client.pid
                client.communicate("go\n", timeout=60)
        else:
            with operator(box, SOURCE.replace('"ann")', '"ann", beat=0.2)')) as client:
                client.wait(60)
                assert client.returncode != 0
        assert killer.struck
        until(lambda: free(host), "the lock is free")
        with lock(host, "acme", "deploy", "bob") as session:
            left = changes(RESOURCES, seen := observe(host, RESOURCES).seen)
            apply(session, RESOURCES, seen, lambda _: None)
        assert changes(RESOURCES, observe(host, RESOURCES).seen) == ()
        whole(box)
        last = read((box.home / ".crmhost" / "acme" / "journal").read_bytes())[-1]
        assert last.state in {"done", "same"} or not left, "the kill may come between the last act and its line"


def whole(box: Sandbox) -> None:
    """Nothing twice, nothing half, nothing left over."""
    assert (box.home / "crm" / "key").read_bytes() == b"s3cret"
    assert (box.home / ".crontab").read_text().count("crmhost") == 1
    sleepers = [pid for pid in box.running if Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00600\x00"]
    assert len(sleepers) == 1
    assert sorted(path.name for path in (box.home / "crm").iterdir()) == [
        "a\tb",
        "db",
        "key",
        "web.lock",
        "web.log",
        "web.pid",
    ]
    assert list((box.home / ".crmhost" / "acme" / "staging").iterdir()) == []
