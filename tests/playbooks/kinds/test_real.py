"""Every kind on a real host: made, found right, spoilt by hand, made right again, and removed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from crm.errors import HostError
from crmhost.sandbox.host import Sandbox
from playbooks.converge import apply, changes
from playbooks.host import Host
from playbooks.kind import Resource
from playbooks.kinds.cron import CronKind, CronWanted
from playbooks.kinds.database import DatabaseKind, DatabaseWanted
from playbooks.kinds.file import FileKind, FileWanted
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.link import LinkKind, LinkWanted
from playbooks.kinds.process import ProcessKind, ProcessWanted, rotate
from playbooks.observe import observe
from playbooks.session import Session, lock
from playbooks.shell import lines, sh
from tests.support.hosts import reach, until

pytestmark = pytest.mark.slow


@pytest.fixture
def session(host: Host) -> Iterator[Session]:
    """Return the lock of a contract, held."""
    with lock(host, "acme", "deploy", "ann") as held:
        yield held


def actions(host: Host, resources: Sequence[Resource]) -> list[str]:
    return [f"{change.action} {change.why}" for change in changes(resources, observe(host, resources).seen)]


def converge(session: Session, *resources: Resource) -> None:
    """Make them right and see that a second look finds nothing to do."""
    apply(session, resources, observe(session.host, resources).seen, lambda _: None)
    assert actions(session.host, resources) == []


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_folder(session: Session, box: Sandbox) -> None:
    folder, path = Resource(FolderKind(), "-odd '$(id)'\n", FolderWanted(0o750)), box.home / "-odd '$(id)'\n"
    converge(session, folder)
    assert mode(path) == 0o750
    path.chmod(0o777)
    assert actions(session.host, [folder]) == ["update its mode differs"]
    converge(session, folder)
    (path / "in it").touch()
    converge(session, Resource(FolderKind(), folder.key, None))
    assert not path.exists()
    path.write_text("a file")
    with pytest.raises(HostError, match="there is something else in its place"):
        converge(session, folder)
    assert path.read_text() == "a file"


def test_a_folder_that_another_deploy_makes_at_the_same_moment(host: Host, box: Sandbox) -> None:
    made = FolderKind().act("shared", FolderWanted(), None).script
    host.ask(lines(sh('set -e; mkdir() {{ command mkdir "$@"; command mkdir "$@"; }}'), made))
    assert mode(box.home / "shared") == 0o700


@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize("content", [b"", b"text\n", b"\x00\xff\r\n" * 9000])
def test_a_file(session: Session, box: Sandbox, content: bytes, secret: bool) -> None:
    path = box.home / "back\\slash and two words"
    file = Resource(FileKind("5a17"), path.name, FileWanted(content, 0o640, secret))
    converge(session, file)
    assert (path.read_bytes(), mode(path)) == (content, 0o640)
    path.write_bytes(content + b"x")
    path.chmod(0o600)
    assert actions(session.host, [file]) == ["update its content differs"]
    converge(session, file)
    path.chmod(0o666)
    assert actions(session.host, [file]) == ["update its mode differs"]
    converge(session, file)
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert actions(session.host, [file]) == ["replace there is a link in its place"]
    converge(session, file)
    converge(session, Resource(file.kind, file.key, None))
    assert not path.exists()


def test_a_file_is_replaced_whole(session: Session, box: Sandbox) -> None:
    """Whoever has the old file open reads the old content to its end."""
    path = box.home / "settings"
    path.write_text("old")
    with path.open() as opened:
        converge(session, Resource(FileKind("5a17"), "settings", FileWanted(b"new", 0o600)))
        assert opened.read() == "old"
    assert path.read_text() == "new"


def test_a_link_never_leads_nowhere(session: Session, box: Sandbox) -> None:
    for name in ("a", "b"):
        (box.home / name).mkdir()
    link, path = Resource(LinkKind(), "current", LinkWanted("b")), box.home / "current"
    path.symlink_to("a")
    watch = f"while :; do [ -d {path} ] || touch {box.home}/gap; done"
    with subprocess.Popen(["sh", "-c", watch]) as watching:
        for _ in range(5):
            converge(session, link)
            assert path.readlink() == Path("b")
            converge(session, Resource(LinkKind(), "current", LinkWanted("a")))
        watching.kill()
    assert not (box.home / "gap").exists()
    converge(session, Resource(LinkKind(), "current", None))
    assert not path.is_symlink()
    assert (box.home / "a").is_dir()


def test_a_database(session: Session, box: Sandbox) -> None:
    database, path = Resource(DatabaseKind(), "db.sqlite3", DatabaseWanted()), box.home / "db.sqlite3"
    converge(session, database)
    assert (path.read_bytes(), mode(path)) == (b"", 0o600)
    path.write_bytes(b"data")
    path.chmod(0o644)
    converge(session, database)
    assert (path.read_bytes(), mode(path)) == (b"data", 0o600)
    (box.home / "db.sqlite3-wal").touch()
    converge(session, Resource(DatabaseKind(), "db.sqlite3", None))
    assert list(box.home.glob("db*")) == []


def process(*argv: str, stop: int = 30) -> Resource:
    return Resource(ProcessKind(), "run/web", ProcessWanted(argv, "run", "run/web.log", {"ODD": "it's\n"}, stop))


@pytest.fixture
def run(box: Sandbox) -> Path:
    """Return the folder of a process."""
    folder = box.home / "run"
    folder.mkdir()
    return folder


def pid(run: Path) -> int:
    return int((run / "web.pid").read_text().split()[0])


def test_a_process_runs_until_it_is_not_wanted(session: Session, run: Path) -> None:
    web = process("sh", "-c", 'echo "$ODD"; pwd; exec sleep 600')
    converge(session, web)
    first = pid(run)
    until(lambda: "run" in (run / "web.log").read_text(), "it prints")
    assert (run / "web.log").read_text() == f"it's\n\n{run}\n"
    assert mode(run / "web.log") == 0o600
    assert os.getsid(first) == os.getpgid(first) == first
    assert Path(f"/proc/{first}/fd/0").readlink() == Path("/dev/null")
    assert str(run.parent / ".crmhost/acme/lock") not in {
        str(fd.readlink()) for fd in Path(f"/proc/{first}/fd").iterdir()
    }
    os.kill(first, signal.SIGKILL)
    assert actions(session.host, [web]) == ["start it is down"]
    converge(session, web)
    second = pid(run)
    assert second != first
    converge(session, Resource(ProcessKind(), web.key, None))
    until(lambda: not Path(f"/proc/{second}").exists(), "it is gone")


def test_another_command_replaces_it(session: Session, run: Path) -> None:
    converge(session, process("sleep", "600"))
    first = pid(run)
    assert actions(session.host, [process("sleep", "601")]) == [
        "restart what runs was started with another command",
    ]
    converge(session, process("sleep", "601"))
    until(lambda: not Path(f"/proc/{first}").exists(), "the old one is gone")
    assert Path(f"/proc/{pid(run)}/cmdline").read_bytes() == b"sleep\x00601\x00"


def test_what_does_not_end_by_itself_is_killed_with_its_children(session: Session, run: Path, box: Sandbox) -> None:
    stubborn = "trap '' TERM; sleep 600 & while :; do sleep 1; done"
    converge(session, process("sh", "-c", stubborn, stop=1))
    leader = pid(run)
    converge(session, Resource(ProcessKind(), "run/web", None))
    until(lambda: not Path(f"/proc/{leader}").exists(), "it is gone")
    assert not any(b"600" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in box.running)


def test_children_that_outlive_the_leader_still_count(session: Session, run: Path) -> None:
    web = process("sh", "-c", "sleep 600 & wait")
    converge(session, web)
    os.kill(pid(run), signal.SIGKILL)
    assert actions(session.host, [web]) == []
    converge(session, Resource(ProcessKind(), web.key, None))


def test_a_process_that_ends_at_once_shows_its_log(session: Session, run: Path) -> None:
    (run / "web.log").write_text("older\n")
    with pytest.raises(HostError, match=r"(?s)process:run/web failed .* the end of its log:.*older.*no such option"):
        converge(session, process("sh", "-c", "echo no such option; exit 1"))


def test_a_process_without_a_record_is_left_to_people(session: Session, run: Path) -> None:
    converge(session, process("sleep", "600"))
    recorded = (run / "web.pid").read_text()
    (run / "web.pid").unlink()
    with pytest.raises(HostError, match=r"run/web\.pid does not say as which process; end it by hand"):
        converge(session, Resource(ProcessKind(), "run/web", None))
    (run / "web.pid").write_text(recorded)
    converge(session, Resource(ProcessKind(), "run/web", None))


def test_a_log_is_bounded_while_it_is_written_to(host: Host, box: Sandbox) -> None:
    log = box.home / "log"
    with log.open("ab") as writer:
        writer.write(b"x" * 2000)
        writer.flush()
        host.ask(rotate("log", 1000))
        writer.write(b"after")
    assert (log.read_bytes(), (box.home / "log.1").stat().st_size) == (b"after", 2000)
    host.ask(rotate("log", 1000))
    assert log.read_bytes() == b"after"


def job(every: int = 1, key: str = "acme/jobs") -> Resource:
    return Resource(CronKind(), key, CronWanted(sh("date +%Y >>ran; echo said"), "jobs.lock", "jobs.log", every))


OTHERS = (
    b"MAILTO=ann\n# mine \xff\n*/5 * * * *   echo 100\\% # crmhost acme/jobs2\n0 1 * * * echo # crmhost acme/jobs \n"
)


def test_a_cron_line_leaves_all_others_alone(session: Session, box: Sandbox) -> None:
    crontab = box.home / ".crontab"
    crontab.write_bytes(OTHERS)
    converge(session, job())
    once = crontab.read_bytes()
    assert once.startswith(OTHERS)
    assert once.count(b"\n") == OTHERS.count(b"\n") + 1
    crontab.write_bytes(once.replace(b"* * * * * umask", b"0 * * * * umask"))
    assert actions(session.host, [job()]) == ["update its line differs"]
    converge(session, job())
    assert crontab.read_bytes() == once
    converge(session, Resource(CronKind(), "acme/jobs", None))
    assert crontab.read_bytes() == OTHERS


def test_an_empty_crontab_is_begun_and_removed(session: Session, box: Sandbox) -> None:
    converge(session, job(), job(key="acme/more"))
    assert (box.home / ".crontab").read_text().count("\n") == 2
    converge(session, Resource(CronKind(), "acme/jobs", None), Resource(CronKind(), "acme/more", None))
    assert not (box.home / ".crontab").exists()


def test_a_due_job_runs_under_its_lock(session: Session, box: Sandbox) -> None:
    converge(session, job(every=15))
    assert box.tick(datetime(2026, 11, 22, 18, 14, tzinfo=UTC)) == 0
    assert box.tick(datetime(2026, 11, 22, 18, 15, tzinfo=UTC)) == 1
    until(lambda: (box.home / "jobs.log").exists() and (box.home / "jobs.log").read_text() == "said\n", "it ran")
    assert (box.home / "ran").read_text().strip().isdigit()
    assert mode(box.home / "jobs.log") == 0o600


def test_a_crontab_that_cannot_be_read_is_never_replaced(session: Session, box: Sandbox) -> None:
    program = box.root / "bin" / "crontab"
    (box.home / ".crontab").write_bytes(OTHERS)
    wanted = [job()]
    before = observe(session.host, wanted).seen
    program.write_text('#!/bin/sh\n[ "$1" != -l ] && cat "$1" >"$HOME/.crontab"; echo "disk trouble" >&2; exit 1\n')
    with pytest.raises(HostError, match=r"cron:acme/jobs failed .* disk trouble"):
        apply(session, wanted, before, lambda _: None)
    assert (box.home / ".crontab").read_bytes() == OTHERS


def test_a_host_where_jobs_are_denied_or_missing_has_no_change(session: Session, box: Sandbox) -> None:
    program = box.root / "bin" / "crontab"
    program.write_text('#!/bin/sh\necho "You (u) are not allowed to use this program (crontab)" >&2; exit 1\n')
    seen = observe(session.host, [job()]).seen["cron:acme/jobs"]
    assert (seen.state, seen.usable) == ("denied", False)
    assert "not allowed" in seen.detail
    assert actions(session.host, [job()]) == []


def test_two_contracts_change_one_crontab_at_once(box: Sandbox) -> None:
    """The crontab is the account's, the lock of a deploy is the contract's."""

    def deploy(contract: str) -> None:
        with reach(box) as host, lock(host, contract, "deploy", "ann") as session:
            converge(session, *(job(key=f"{contract}/{number}") for number in range(5)))

    threads = [Thread(target=deploy, args=(contract,)) for contract in ("acme", "beta", "gamma")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (box.home / ".crontab").read_text().count("\n") == 15


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        (CronWanted(sh("true"), "l", "o", 7), "acme/jobs"),
        (CronWanted(sh("true"), "l", "o", 0), "acme/jobs"),
        (CronWanted(sh("true"), "l", "o", 90), "acme/jobs"),
        (CronWanted(sh("true\nfalse"), "l", "o"), "acme/jobs"),
        (CronWanted(sh("echo {x}", x="x" * 1000), "l", "o"), "acme/jobs"),
        (CronWanted(sh("true"), "l", "o"), "acme.*"),
    ],
)
def test_what_a_crontab_cannot_say_is_refused(wanted: CronWanted, key: str) -> None:
    with pytest.raises(ValueError, match="cron"):
        wanted.line(key)


@pytest.mark.parametrize(
    ("every", "when"), [(1, "* * * * *"), (5, "*/5 * * * *"), (60, "0 */1 * * *"), (1440, "0 0 * * *")]
)
def test_when_a_job_runs(every: int, when: str) -> None:
    assert CronWanted(sh("true"), "l", "o", every).line("k").startswith(f"{when} umask")
