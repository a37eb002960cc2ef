"""The lock and what is done under it, as long as nothing dies."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crm.errors import HostError, LockHeld
from crm.plan import Event
from crmhost.sandbox.host import Sandbox
from playbooks.holder import holder
from playbooks.host import Host
from playbooks.journal import read
from playbooks.kind import Put
from playbooks.session import lock
from playbooks.shell import lines, sh
from tests.support.hosts import reach, until

pytestmark = pytest.mark.slow


def folder(box: Sandbox) -> Path:
    return box.home / ".crmhost" / "acme"


def test_the_other_one_is_told_holder_and_step(host: Host, box: Sandbox) -> None:
    with lock(host, "acme", "deploy creme-2.8.6", "ann@laptop") as session:
        session.say("waiting for a yes")
        until((folder(box) / "step").exists, "the step is recorded")
        with reach(box) as other, pytest.raises(LockHeld) as caught, lock(other, "acme", "rollback", "bob@ci"):
            pytest.fail("two hold one lock")
    assert "somebody is at work on acme: ann@laptop: deploy creme-2.8.6, since 20" in caught.value.what
    assert "; step waiting for a yes, since 20" in caught.value.what


def test_the_lock_is_free_when_the_block_ends_and_others_never_wait(host: Host, box: Sandbox) -> None:
    with lock(host, "acme", "deploy", "ann"), reach(box) as other, lock(other, "beta", "deploy", "bob"):
        pass
    with pytest.raises(KeyError), lock(host, "acme", "deploy", "ann"):
        raise KeyError("an error of the caller's")
    with lock(host, "acme", "deploy", "ann"):
        pass
    assert sorted(path.name for path in folder(box).iterdir()) == ["lock", "log", "staging"]
    assert list((folder(box) / "staging").iterdir()) == []
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in (folder(box), folder(box).parent))


def test_a_lock_file_that_was_removed_with_its_folder_locks_nobody_out(host: Host, box: Sandbox) -> None:
    with lock(host, "acme", "destroy", "ann") as session:
        assert session.run("remove", sh("rm -rf .crmhost/acme"), safe=False).code == 0
        with reach(box) as other, lock(other, "acme", "deploy", "bob"):
            assert (folder(box) / "lock").exists()


def test_a_step_reads_its_input_and_returns_its_output(host: Host, box: Sandbox) -> None:
    events: list[Event] = []
    secret = b"s3cret \xff\n'$(id)'\n"
    with lock(host, "acme", "deploy", "ann") as session:
        output = session.run(
            "admin", sh("wc -c; echo bad >&2; exit 3"), stdin=secret, safe=True, progress=events.append
        )
        assert (output.code, output.text.split()) == (3, [str(len(secret)), "bad"])
        assert session.run("quiet", sh("cat >copy"), stdin=secret, safe=False).code == 0
        [*_, log] = sorted((folder(box) / "log").iterdir())
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert (box.home / "copy").read_bytes() == secret
    assert [(event.subject, event.state, event.detail) for event in events] == [
        ("admin", "begin", ""),
        ("admin", "failed", "exit code 3"),
    ]


def test_a_long_output_comes_back_as_its_end(host: Host) -> None:
    with lock(host, "acme", "deploy", "ann") as session:
        output = session.run("loud", sh("yes | head -c 3000000; echo the end"), safe=True)
    assert len(output.text) == 65536
    assert output.text.endswith("y\nthe end\n")


def test_no_secret_is_in_an_argument_an_environment_or_a_file(host: Host, box: Sandbox) -> None:
    secret, found, stop = "pl4nted-s3cret", list[str](), threading.Event()

    def sample() -> None:
        while not stop.wait(0.001):
            for pid in box.running:
                for name in ("cmdline", "environ"):
                    try:
                        text = Path(f"/proc/{pid}/{name}").read_bytes()
                    except OSError:
                        continue
                    if secret.encode() in text:
                        found.append(f"{pid} {name}")

    watching = threading.Thread(target=sample)
    watching.start()
    try:
        with lock(host, "acme", "deploy", "ann") as session:
            session.run("admin", sh("sleep 0.3; cat >/dev/null; sleep 0.3"), stdin=secret.encode(), safe=True)
            session.batch(sh("cmp {text} {text}; sleep 0.3", text=secret))
    finally:
        stop.set()
        watching.join()
    assert found == []
    assert [path for path in box.home.rglob("*") if path.is_file() and secret in path.read_text("latin-1")] == []


def test_a_batch_finds_its_files_and_tells_its_events(host: Host, box: Sandbox) -> None:
    with lock(host, "acme", "deploy", "ann") as session:
        script = lines(sh('note begin {s}; mv "$staging/a" moved; note done {s}', s='"file:moved"'))
        events = session.batch(script, [Put("a", b"content")])
    assert [(event.phase, event.subject, event.state) for event in events] == [
        ("stage", "file:moved", "begin"),
        ("stage", "file:moved", "done"),
    ]
    assert events[1].seconds is not None
    assert (box.home / "moved").read_bytes() == b"content"


def test_the_journal_has_who_did_what(host: Host, box: Sandbox) -> None:
    with lock(host, "acme", "deploy", "ann@laptop") as session:
        session.run("migrate", sh("true"), safe=False)
        session.journal(Event("switch", "release:creme-2.8.6-0123", "done"))
    entries = read((folder(box) / "journal").read_bytes())
    assert {(entry.who, entry.operation) for entry in entries} == {("ann@laptop", session.operation.id)}
    assert [(entry.phase, entry.subject, entry.state) for entry in entries] == [
        ("steps", "migrate", "begin"),
        ("steps", "migrate", "done"),
        ("switch", "release:creme-2.8.6-0123", "done"),
    ]


def test_leftovers_of_dead_operations_are_removed(host: Host, box: Sandbox) -> None:
    old = folder(box) / "staging" / "dead"
    old.mkdir(parents=True)
    (old / "secret").write_text("left behind")
    for number in range(40):
        (folder(box) / "log").mkdir(exist_ok=True)
        (folder(box) / "log" / f"0a1b2c3d-{number}.log").touch()
    with lock(host, "acme", "deploy", "ann") as session:
        assert [path.name for path in old.parent.iterdir()] == [session.operation.id]
        assert len(list((folder(box) / "log").iterdir())) < 20


def test_a_step_that_takes_too_long(host: Host, box: Sandbox) -> None:
    with lock(host, "acme", "deploy", "ann") as session:
        with pytest.raises(HostError, match=r"slow did not end within 0\.5 s"):
            session.run("slow", sh("sleep 60; touch after"), safe=True, timeout=0.5)
        assert session.run("next", sh("echo fine"), safe=True).text == "fine\n"
    assert not (box.home / "after").exists()


def test_an_unsafe_step_that_takes_too_long_goes_on_and_holds_the_lock(host: Host, box: Sandbox) -> None:
    with reach(box) as first, lock(first, "acme", "deploy", "ann") as session:
        with pytest.raises(HostError, match=r"migrate did not end within 0\.3 s"):
            session.run("migrate", sh("sleep 3; touch after"), safe=False, timeout=0.3)
        session.host.close()
    with pytest.raises(LockHeld, match="step migrate"), lock(host, "acme", "deploy", "bob"):
        pytest.fail("the step still runs")
    until((box.home / "after").exists, "the step ends")
    until(lambda: free(host), "the lock is free")


def free(host: Host) -> bool:
    try:
        with lock(host, "acme", "look", "test"):
            return True
    except LockHeld:
        return False


def test_a_daemon_does_not_hold_the_lock(host: Host, box: Sandbox) -> None:
    with lock(host, "acme", "deploy", "ann") as session:
        session.run("start", sh("setsid sleep 60 </dev/null >/dev/null 2>&1 9>&- &"), safe=True)
    assert free(host)
    assert any(b"sleep\x0060" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in box.running)


@pytest.mark.parametrize("tool", ["flock", "setsid"])
def test_a_host_that_lacks_a_tool(tmp_path: Path, tool: str) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in {"sh", "flock", "setsid", "base64", "tr"} - {tool}:
        (tools / name).symlink_to(f"/usr/bin/{name}")
    with (
        Sandbox(tmp_path / "box", profile=f"PATH={tools}") as box,
        reach(box) as host,
        pytest.raises(HostError, match=f"has no `{tool}`"),
        lock(host, "acme", "deploy", "ann"),
    ):
        pytest.fail("locked without a tool that it needs")


def test_an_account_without_a_shell_cannot_be_locked(tmp_path: Path) -> None:
    with (
        Sandbox(tmp_path / "box", profile="echo no shell; exit 0") as box,
        reach(box) as host,
        pytest.raises(HostError, match="runs no POSIX shell"),
        lock(host, "acme", "deploy", "ann"),
    ):
        pytest.fail("locked without a shell")


def test_a_home_that_cannot_be_written(host: Host, box: Sandbox) -> None:
    (box.home / ".crmhost").write_text("in the way")
    with pytest.raises(HostError, match=r"cannot lock ~/\.crmhost/acme: .*\.crmhost"), lock(host, "acme", "x", "ann"):
        pytest.fail("locked without a folder")


def test_a_read_only_home(host: Host, box: Sandbox) -> None:
    with (
        read_only(box.home),
        pytest.raises(HostError, match=r"cannot lock ~/\.crmhost/acme: .*(Read-only|Permission)"),
        lock(host, "acme", "deploy", "ann"),
    ):
        pytest.fail("locked without a trace")


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Make a folder read-only; root is stopped by nothing less than a mount."""
    if os.geteuid() != 0:
        path.chmod(0o500)
        yield
        path.chmod(0o700)
        return
    subprocess.run(["mount", "--bind", str(path), str(path)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="this machine cannot have a small file system mounted: it takes root")
def test_a_full_home(tmp_path: Path, small: Path) -> None:
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        box.home.rmdir()
        box.home.symlink_to(small)
        host.ask(sh("head -c 2000000 /dev/zero >full || true"))
        with pytest.raises(HostError, match="No space left on device"), lock(host, "acme", "deploy", "ann"):
            pytest.fail("locked without a word on who did")
        (small / "full").unlink()
        with lock(host, "acme", "deploy", "ann") as session:
            host.ask(sh("head -c 2000000 /dev/zero >full || true"))
            with pytest.raises(HostError, match="No space left on device"):
                session.batch(sh("note begin {s}; note done {s}", s='"x"'))


def test_what_a_holder_wrote_is_data() -> None:
    def word(fields: object) -> str:
        return "=" + base64.b64encode(json.dumps(fields).encode()).decode()

    shown = str(holder(word({"who": "\x1b[2Jann", "doing": "x" * 9000, "since": 3}), word([])))
    assert "\x1b" not in shown
    assert len(shown) <= 400
    assert str(holder("=", "=%%")) == "an unknown holder: unknown work, since an unknown time"
