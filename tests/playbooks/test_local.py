"""This machine itself as the host: the same engine without SSH, and what keeps it from being another one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from crm.errors import HostError, LockHeld, Refused
from playbooks.become import HOME
from playbooks.connect import Address, Stop
from playbooks.host import Host
from playbooks.kind import Put
from playbooks.known_hosts import fingerprint, look_up
from playbooks.local import Here, here, is_own, own_keys
from playbooks.session import lock
from playbooks.shell import sh
from tests.support.lanhost import PASSWORD, LanHost
from tests.support.sshd import make_key
from tests.support.until import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a folder of host keys, as /etc/ssh has them."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    make_key(folder / "ssh_host_ed25519_key")
    return folder


def stop(host: str = "127.0.0.1") -> Stop:
    return Stop.only(Address("deploy", host), None)


def test_the_key_is_asked_about_once_and_pinned_as_over_ssh(tmp_path: Path, keys: Path) -> None:
    known, asked = tmp_path / "known_hosts", list[tuple[str, str]]()

    def accept(key: str, whose: str) -> bool:
        asked.append((key, whose))
        return True

    for _ in range(2):
        with here(stop(), known, accept=accept, keys=keys) as host:
            assert host.ask(sh("echo $((6 * 7))")) == b"42\n"
    ((key, whose),) = asked
    ((algorithm, public),) = own_keys(keys)
    assert key == fingerprint(public)
    assert whose == f"this machine, {os.uname().nodename}, for deploy@127.0.0.1"
    assert [(one.algorithm, one.key) for one in look_up(known, "127.0.0.1")] == [(algorithm, public)]


def test_what_was_not_accepted_is_not_worked_on(tmp_path: Path, keys: Path) -> None:
    with pytest.raises(Refused, match="was not accepted"):
        here(stop(), tmp_path / "known_hosts", accept=lambda _, __: False, keys=keys)


def test_another_hosts_pinned_key_refuses_whatever_its_address_is(tmp_path: Path, keys: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    known = tmp_path / "known_hosts"
    known.write_text(f"127.0.0.1 {other}")
    with pytest.raises(Refused) as refused:
        here(stop(), known, accept=lambda _, __: True, keys=keys)
    assert refused.value.what.startswith(f"deploy@127.0.0.1: is not this machine, {os.uname().nodename}: its host key")
    assert f"is pinned in {known}:1" in refused.value.what


def test_a_pinned_key_speaks_for_an_address_that_is_not_ours(tmp_path: Path, keys: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("203.0.113.7 " + (keys / "ssh_host_ed25519_key.pub").read_text())
    with here(stop("203.0.113.7"), known, accept=lambda _, __: False, keys=keys) as host:
        assert host.ask(sh("echo in")) == b"in\n"


@pytest.mark.parametrize("address", ["203.0.113.7", "nowhere.invalid", "0.0.0.0"])  # noqa: S104 -- it can be bound to
def test_an_address_that_is_not_ours_is_refused_without_asking(tmp_path: Path, keys: Path, address: str) -> None:
    with pytest.raises(Refused, match=f"{address} is no address of it") as refused:
        here(stop(address), tmp_path / "known_hosts", accept=lambda _, __: pytest.fail("asked"), keys=keys)
    assert f"`{address} ssh-ed25519 …`" in refused.value.remedy
    assert not is_own(address)


def test_a_machine_without_an_ssh_server_is_asked_about_each_time(tmp_path: Path) -> None:
    known, asked = tmp_path / "known_hosts", list[str]()

    def accept(key: str, _whose: str) -> bool:
        asked.append(key)
        return True

    for _ in range(2):
        with here(stop("localhost"), known, accept=accept, keys=tmp_path):
            pass
    assert asked == ["(it has none)"] * 2
    assert not known.exists()


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Host:
    """Return this machine as a host, which knows none of this process's environment."""
    monkeypatch.setenv("CRMHOST_AGE_KEY", "AGE-SECRET-KEY-1")
    return Host("here", Here())


def test_programs_see_a_log_ins_environment_and_none_of_ours(box: Host) -> None:
    names = sorted(line.split("=")[0] for line in box.ask(sh("env")).decode().splitlines())
    assert set(names) - {"_", "PWD", "SHLVL", "OLDPWD"} == {"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER"}


def test_files_are_private_from_the_first_byte(box: Host, tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    box.put([Put("one", b"1" * 5_000_000), Put("ümlaut", b"")], str(folder))
    assert (folder / "one").read_bytes() == b"1" * 5_000_000
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"one": 0o600, "ümlaut": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_is_refused_says_why(box: Host, small: Path, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No space left on device"):
        box.put([Put("large", b"x" * 3_000_000)], str(small / "staging"))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(HostError, match="cannot write files to"):
        box.put([Put("one", b"1")], str(tmp_path / "link"))
    assert not list((tmp_path / "real").iterdir())


def test_the_bounds_of_an_answer_hold(box: Host) -> None:
    with pytest.raises(HostError, match=r"no answer within 0\.5 s"):
        box.ask(sh("sleep 20"), timeout=0.5)
    with pytest.raises(HostError, match="longer than 1048576 bytes"):
        box.ask(sh("head -c 10000000 /dev/zero"))


def test_a_closed_connection_ends_what_waits_for_it_and_frees_no_stranger(box: Host) -> None:
    stream = box.start(sh("exec sleep 1000"))
    ended: list[str] = []

    def wait() -> None:
        try:
            stream.line(60)
        except HostError as error:
            ended.append(error.what)

    waiting = threading.Thread(target=wait)
    waiting.start()
    box.close()
    waiting.join(10)
    assert ended == ["here: the connection was lost: it was closed"]


_HOLDER = """\
import sys
from playbooks.host import Host
from playbooks.local import Here
from playbooks.session import lock
from playbooks.shell import sh
with lock(Host("here", Here()), sys.argv[1], "a long test", "ann@there") as held:
    print("locked", flush=True)
    held.run("wait", sh("sleep 1000"), safe=True)
"""


def test_the_lock_keeps_others_out_and_dies_with_its_process(box: Host) -> None:
    contract = f"test-local-{os.getpid()}"
    try:
        holder = subprocess.Popen([sys.executable, "-c", _HOLDER, contract], cwd=ROOT, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(LockHeld, match="ann@there: a long test"), lock(box, contract, "mine", "me@here"):
            pass
        holder.kill()
        holder.wait()
        holder.stdout.close()
        until(lambda: _free(box, contract), "the lock is free", 30)
    finally:
        shutil.rmtree(Path.home() / ".crmhost" / contract, ignore_errors=True)


def _free(box: Host, contract: str) -> bool:
    try:
        with lock(box, contract, "mine", "me@here"):
            return True
    except LockHeld:
        return False


_ON_THE_SERVER = """\
import sys
sys.path.insert(0, "/opt/crmhost")
from pathlib import Path
from playbooks.become import Become
from playbooks.connect import Address, Stop
from playbooks.keys import Phrase
from playbooks.kind import Put
from playbooks.local import here
from playbooks.session import lock
from playbooks.shell import sh
password = sys.stdin.readline().rstrip()
stop = Stop.only(Address("deploy", sys.argv[1]), None)
become = Become(lambda host: Phrase("a test", password))
with here(stop, Path("known_hosts"), accept=lambda key, whose: True, become=become) as host:
    print(host.name, *host.ask(sh("id -un; echo $HOME; env | grep CRMHOST_AGE; true")).decode().split())
    with lock(host, "acme", "a test", "me@here") as held:
        held.batch(sh('mv "$staging/one" /srv/one'), [Put("one", b"1")])
        print(*held.run("step", sh("cat; id -un"), stdin=b"secret ", safe=True).text.split())
"""


@pytest.mark.parametrize("user", ["deploy", "asks", "root"])
def test_a_server_works_on_itself_as_root_whoever_runs_it(bare_lan: LanHost, user: str) -> None:
    bare_lan.run("mkdir /opt/crmhost")
    bare_lan.container.put_archive("/opt/crmhost", _program())
    said = bare_lan.run(
        f"CRMHOST_AGE_KEY=x su {user} -c 'cd && python3 /opt/crmhost/work.py {bare_lan.address}' </opt/crmhost/password"
    )
    name = bare_lan.run("hostname").strip()
    assert said.splitlines() == [f"{name} (this machine) root {HOME}", "secret root"]
    assert bare_lan.run("stat -c '%a %U' /srv/one") == "600 root\n"


def _program() -> bytes:
    """Return a tar of the engine, which needs nothing but Python, of what works with it, and of its password."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for room in ("crm", "playbooks"):
            archive.add(ROOT / room, room, filter=lambda entry: None if "__pycache__" in entry.name else entry)
        for name, text in (("work.py", _ON_THE_SERVER), ("password", PASSWORD + "\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return sink.getvalue()
