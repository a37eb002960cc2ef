"""What dies or fills up while root works on a real LAN server: nobody is blocked, and nothing goes on half-done."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crm.errors import HostError
from playbooks.become import HOME
from playbooks.converge import apply
from playbooks.kind import Resource
from playbooks.kinds.file import FileKind, FileWanted
from playbooks.observe import observe
from playbooks.session import lock
from playbooks.shell import sh
from tests.support.lanhost import LanHost
from tests.support.until import until

ROOT = Path(__file__).parents[2]
FULL = f"cannot lock {HOME}/.crmhost/acme: .*No space left on device"
FREE = f"flock -n {HOME}/.crmhost/acme/lock true"

_OPERATOR = """\
import sys
from pathlib import Path
from playbooks.become import Become
from playbooks.connect import Address, Stop, connect_through
from playbooks.keys import Ring
from playbooks.session import lock
from playbooks.shell import sh
address, key, known, seconds, safe, silence = sys.argv[1:]
way = (Stop.only(Address("deploy", address), Path(key)),)
host = connect_through(way, Path(known), ring=Ring(), accept=lambda *_: False, become=Become())
with lock(host, "acme", "deploy", "ann@laptop", silence=int(silence), beat=0.5) as held:
    script = sh("touch /srv/before; sleep {seconds}; touch /srv/after", seconds=int(seconds))
    held.run("step", script, safe=safe == "safe")
"""


@contextmanager
def operator(server: LanHost, seconds: int, safe: str, silence: int = 45) -> Iterator[subprocess.Popen[bytes]]:
    """Run an operation in a process of its own, until it is in the middle of a step of that length."""
    words = (server.address, str(server.key), str(server.known_hosts), str(seconds), safe, str(silence))
    with subprocess.Popen([sys.executable, "-c", _OPERATOR, *words], cwd=ROOT, stderr=subprocess.PIPE) as process:
        try:
            until(lambda: has(server, "test -e /srv/before"), "the step is running", 60)
            yield process
        finally:
            process.kill()


def has(server: LanHost, condition: str) -> bool:
    return server.run(f"if {condition}; then echo yes; fi") == "yes\n"


def test_a_killed_client_ends_what_root_was_doing(bare_lan: LanHost) -> None:
    with operator(bare_lan, 600, "safe") as client:
        assert not has(bare_lan, FREE)
        client.kill()
        until(lambda: has(bare_lan, FREE), "the lock is free", 30)
    assert bare_lan.run("pgrep -fc 'sleep 60[0]'", check=False) == "0\n"
    assert has(bare_lan, "test ! -e /srv/after")


def test_a_killed_client_lets_an_unsafe_step_finish_under_the_lock(bare_lan: LanHost) -> None:
    with operator(bare_lan, 8, "unsafe") as client:
        client.kill()
        client.wait()
        assert not has(bare_lan, FREE)
        until(lambda: has(bare_lan, FREE), "the lock is free", 60)
    assert has(bare_lan, "test -e /srv/after")


def test_a_network_that_drops_everything_ends_it_by_silence(bare_lan: LanHost) -> None:
    with operator(bare_lan, 600, "safe", silence=4):
        bare_lan.run("iptables -A INPUT -p tcp --dport 22 -j DROP && iptables -A OUTPUT -p tcp --sport 22 -j DROP")
        until(lambda: has(bare_lan, FREE), "the lock is free", 40)
    assert bare_lan.run("pgrep -fc 'sleep 60[0]'", check=False) == "0\n"
    bare_lan.run("iptables -F")
    with bare_lan.root() as host, lock(host, "acme", "again", "ann@laptop") as held:
        assert held.run("step", sh("id -un"), safe=True).text == "root\n"


def test_a_connection_that_is_cut_in_a_batch_leaves_what_the_same_command_finishes(bare_lan: LanHost) -> None:
    wanted = [Resource(FileKind("00112233"), f"/srv/file{number}", FileWanted(b"%d" % number)) for number in range(3)]
    with bare_lan.root() as host:
        seen = observe(host, wanted).seen
        with lock(host, "acme", "deploy", "ann@laptop") as held:
            apply(held, wanted[:1], seen, lambda _: None)
            cut_sessions(bare_lan, after="/srv/reached")
            with pytest.raises(HostError) as lost:
                held.batch(sh("touch /srv/reached; sleep 600"))
    assert re.match(rf"deploy@{bare_lan.address}: the connection (was lost|ended during stage)", lost.value.what)
    assert "un the same command again" in lost.value.remedy
    until(lambda: has(bare_lan, FREE), "the lock is free", 30)
    with bare_lan.root() as host:
        seen = observe(host, wanted).seen
        with lock(host, "acme", "deploy", "ann@laptop") as held:
            apply(held, wanted, seen, lambda _: None)
    assert bare_lan.run("cat /srv/file0 /srv/file1 /srv/file2; stat -c ' %a %U' /srv/file2") == "012 600 root\n"


def cut_sessions(server: LanHost, *, after: str) -> None:
    """End the account's SSH sessions at the server's end of them, once a file is there."""
    script = f"until test -e {after}; do sleep 0.05; done; pkill -KILL -f 'sshd: deplo[y]'"
    server.container.exec_run(["sh", "-c", script], detach=True)


def test_a_reboot_in_the_middle_of_a_batch(bare_lan: LanHost) -> None:
    with operator(bare_lan, 600, "safe") as client:
        bare_lan.restart()
        assert client.wait(60) != 0
        assert client.stderr is not None
        assert b"HostError" in client.stderr.read()
    with bare_lan.root() as host, lock(host, "acme", "again", "ann@laptop") as held:
        assert held.run("step", sh("id -un"), safe=True).text == "root\n"
    assert has(bare_lan, "test ! -e /srv/after")


def test_a_full_disk_is_named_and_nothing_is_torn(bare_lan: LanHost) -> None:
    bare_lan.run("mkdir -p /var/lib/crmhost && mount -t tmpfs -o size=1m,mode=755 tmpfs /var/lib/crmhost")
    wanted = [Resource(FileKind("00112233"), "/srv/large", FileWanted(b"x" * 3_000_000))]
    with bare_lan.root() as host:
        seen = observe(host, wanted).seen
        with lock(host, "acme", "deploy", "ann@laptop") as held, pytest.raises(HostError) as full:
            apply(held, wanted, seen, lambda _: None)
        assert "No space left on device" in full.value.what
        assert f"cannot write files to {HOME}/.crmhost/acme/staging/" in full.value.what
        assert has(bare_lan, "test ! -e /srv/large")
        bare_lan.run(f"head -c 2000000 /dev/zero >{HOME}/filler || true")
        with (
            pytest.raises(HostError, match=FULL),
            lock(host, "acme", "x", "y"),
        ):
            pass
        until(lambda: has(bare_lan, "umount /var/lib/crmhost"), "the watch's last second is over", 10)
        with lock(host, "acme", "deploy", "ann@laptop") as held:
            apply(held, wanted, seen, lambda _: None)
    assert bare_lan.run("stat -c '%s %a %U' /srv/large") == "3000000 600 root\n"
