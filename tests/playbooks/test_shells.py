"""The same operation under every shell that a host's `sh` may be, and its programs with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from crmhost.sandbox.host import Sandbox
from playbooks.converge import apply, changes
from playbooks.host import Host
from playbooks.journal import read
from playbooks.kind import Resource
from playbooks.kinds.cron import CronKind, CronWanted
from playbooks.kinds.database import DatabaseKind, DatabaseWanted
from playbooks.kinds.file import FileKind, FileWanted
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.link import LinkKind, LinkWanted
from playbooks.kinds.process import ProcessKind, ProcessWanted
from playbooks.observe import observe
from playbooks.session import lock
from playbooks.shell import sh
from tests.support.hosts import operator, reach, until

pytestmark = pytest.mark.slow

RESOURCES = (
    Resource(FolderKind(), "crm", FolderWanted(0o750)),
    Resource(FileKind("5a17"), "crm/a\tb", FileWanted(b"one\n"), ("folder:crm",)),
    Resource(FileKind("5a17"), "crm/key", FileWanted(b"s3cret", 0o400, secret=True), ("folder:crm",)),
    Resource(LinkKind(), "current", LinkWanted("crm"), ("folder:crm",)),
    Resource(DatabaseKind(), "crm/db", DatabaseWanted(), ("folder:crm",)),
    Resource(ProcessKind(), "crm/web", ProcessWanted(("sleep", "600"), "crm", "crm/web.log"), ("folder:crm",)),
    Resource(CronKind(), "acme/jobs", CronWanted(sh("true"), "crm/jobs.lock", "crm/jobs.log"), ("folder:crm",)),
)


@pytest.fixture(params=["dash", "bash", "busybox"])
def box_of_shell(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    """Return a host whose `sh` is that shell; busybox brings its own programs too."""
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"this machine has no {request.param}")
    tools = tmp_path / "tools"
    tools.mkdir()
    names = {"sh"}
    if request.param == "busybox":
        listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
        names |= set(listed)
    for name in names:
        (tools / name).symlink_to(program)
    return Sandbox(tmp_path / "box", profile=f"PATH={tools}:$PATH")


def test_an_operation_from_beginning_to_end(box_of_shell: Sandbox) -> None:
    own_crontab = (box_of_shell.root.parent / "tools" / "crontab").exists()  # busybox's, of the system: never touched
    wanted = RESOURCES[:-1] if own_crontab else RESOURCES
    with box_of_shell as box, reach(box) as host:
        with lock(host, "acme", "deploy", "ann") as session:
            apply(session, wanted, observe(host, wanted).seen, lambda _: None)
            output = session.run("admin", sh("cat; echo bad >&2; exit 3"), stdin=b"\xff s3cret\n", safe=False)
            assert (output.code, output.text) == (3, "� s3cret\nbad\n")
        assert changes(wanted, observe(host, wanted).seen) == ()
        assert (box.home / "crm" / "a\tb").read_bytes() == b"one\n"
        entries = read((box.home / ".crmhost" / "acme" / "journal").read_bytes())
        assert len(entries) == 2 * len(wanted) + 2
        unwanted = [Resource(one.kind, one.key, None) for one in reversed(wanted)]
        with lock(host, "acme", "destroy", "ann") as session:
            apply(session, unwanted, observe(host, unwanted).seen, lambda _: None)
        assert [path.name for path in box.home.iterdir()] == [".crmhost"]


@pytest.mark.parametrize("victim", ["client", "keeper", "silence"])
def test_a_dead_operation_ends(box_of_shell: Sandbox, victim: str) -> None:
    source = """
with lock(host, "acme", "deploy", "ann", silence=3, beat=1) as session:
    session.run("slow", sh("touch before; sleep 60; touch after"), safe=True)
"""
    with box_of_shell as box, reach(box) as other, operator(box, source) as client:
        until((box.home / "before").exists, "the step runs")
        if victim == "client":
            client.kill()
        elif victim == "silence":
            client.send_signal(signal.SIGSTOP)
        else:
            job = int((box.home / ".crmhost" / "acme" / "job").read_text().split()[0])
            os.kill(int(Path(f"/proc/{job}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
        assert until(lambda: free(other), "the lock is free") < 20
        assert not (box.home / "after").exists()


def free(host: Host) -> bool:
    return host.ask(sh("cd .crmhost/acme && if flock -n lock true; then echo free; fi")) == b"free\n"
