"""What a real sudo says to accounts that may not be root, and what of it reaches the user: one error, one try."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from crm.errors import HostError, LockHeld
from playbooks.become import Become, no_password
from playbooks.keys import Phrase
from playbooks.session import lock
from playbooks.shell import sh
from tests.support.engine import RealEngine
from tests.support.lanhost import PASSWORD, PLAIN_PASSWORD, LanHost, LanImages, asked, serving
from tests.support.lannet import LanNetwork

COLOURS = "\x1b[31mred\x1b[0m"


@pytest.fixture(scope="module")
def server(
    engine: RealEngine, lan_images: LanImages, lan_network: LanNetwork, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LanHost]:
    """Return one server for all of these, each of which leaves it as it was."""
    folder, name = tmp_path_factory.mktemp("lan"), f"lan-sudo-{os.getpid()}"
    with closing(engine.client()) as client, serving(client, lan_images.bare, folder, name, lan_network, {}) as it:
        yield it


@contextmanager
def rules(server: LanHost, *lines: str) -> Iterator[None]:
    """Give sudo more rules for a while."""
    text = "\\n".join(lines)
    server.run(f"printf '{text}\\n' >/etc/sudoers.d/zz && chmod 440 /etc/sudoers.d/zz && visudo -cq")
    try:
        yield
    finally:
        server.run("rm /etc/sudoers.d/zz")


def refused(server: LanHost, user: str, passwords: Callable[[str], Phrase | None] = no_password) -> HostError:
    """Return what is raised when the account wants to be root, as often as it asks."""
    with server.reach(user, become=Become(passwords)) as host:
        with pytest.raises(HostError) as first:
            host.ask(sh("id -u"))
        with pytest.raises(HostError) as again, lock(host, "acme", "a test", "me@here"):
            pass
    assert (again.value.what, again.value.remedy) == (first.value.what, first.value.remedy)
    return first.value


def test_a_wrong_password_is_tried_once_and_never_again(server: LanHost) -> None:
    since = server.run("date +%s").strip()
    error = refused(server, "asks", asked("wrong", "/etc/secret"))
    assert error.what.startswith(f"asks@{server.address}: sudo refused the password from /etc/secret: ")
    assert "It was tried once" in error.remedy
    assert "wrong" not in str(error)
    counted = server.run(f"journalctl --since=@{since} -t sudo | grep -c 'auth): authentication failure'", check=False)
    assert counted.strip() == "1"


def test_without_a_password_the_error_names_the_ways_to_give_one(server: LanHost) -> None:
    error = refused(server, "asks")
    assert error.what == f"asks@{server.address}: sudo wants the account's password, and none is known"
    for way in ("CRMHOST_SUDO_PASSWORD", "CRMHOST_SUDO_PASSWORD_FILE", "sudo-password-file", "terminal", "NOPASSWD"):
        assert way in error.remedy


@pytest.mark.parametrize("text", ["", "two\nlines"])
def test_a_password_that_is_no_line_is_not_sent(server: LanHost, text: str) -> None:
    since = server.run("date +%s").strip()
    assert "from F is empty or has several lines" in refused(server, "asks", asked(text, "F")).what
    assert "authentication failure" not in server.run(f"journalctl --since=@{since} -t sudo", check=False)


def test_an_account_outside_of_sudoers(server: LanHost) -> None:
    error = refused(server, "plain", asked(PLAIN_PASSWORD))
    assert error.what.startswith(f"plain@{server.address}: sudo lets the account do nothing as root: ")
    assert "plain is not in the sudoers file" in error.what
    assert "usermod -aG sudo" in error.remedy


def test_an_account_that_may_run_something_else_alone(server: LanHost) -> None:
    with rules(server, "plain ALL=(root) NOPASSWD: /usr/bin/id"):
        error = refused(server, "plain", asked(PLAIN_PASSWORD))
    assert "sudo lets the account do nothing as root" in error.what


def test_a_host_without_sudo(server: LanHost) -> None:
    server.run("mv /usr/bin/sudo /usr/bin/sudo.away")
    try:
        error = refused(server, "deploy")
        with server.root("root") as host:
            assert host.ask(sh("id -u")) == b"0\n"
    finally:
        server.run("mv /usr/bin/sudo.away /usr/bin/sudo")
    assert error.what == f"deploy@{server.address}: the host has no sudo, and this account is not root"


def test_a_sudo_that_is_not_root(server: LanHost) -> None:
    server.run("chmod u-s /usr/bin/sudo")
    try:
        assert "sudo cannot become root there" in refused(server, "deploy").what
    finally:
        server.run("chmod u+s /usr/bin/sudo")


@pytest.mark.parametrize("user", ["deploy", "asks"])
def test_a_sudo_that_wants_a_terminal(server: LanHost, user: str) -> None:
    with rules(server, "Defaults requiretty"):
        error = refused(server, user, asked(PASSWORD))
    assert "sudo wants a terminal" in error.what
    assert "!requiretty" in error.remedy


@pytest.mark.parametrize("user", ["deploy", "asks"])
def test_a_sudo_that_lectures_uses_a_pty_and_forgets_at_once(server: LanHost, user: str) -> None:
    more = ("Defaults lecture=always", "Defaults use_pty", "Defaults timestamp_timeout=0", "Defaults pwfeedback")
    with rules(server, *more), server.root(user) as host, lock(host, "acme", "a test", "me@here") as held:
        assert host.ask(sh("id -u")) == b"0\n"
        assert held.run("read", sh("cat"), stdin=b"whole\n", safe=True).text == "whole\n"


def test_the_password_is_asked_for_once_and_shows_in_no_argument(server: LanHost) -> None:
    given: list[str] = []

    def passwords(host: str) -> Phrase:
        given.append(host)
        return Phrase("a person", PASSWORD)

    with server.reach("asks", become=Become(passwords)) as host, lock(host, "acme", "a test", "me@here"):
        seen = host.ask(sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'")).decode()
    assert given == [f"asks@{server.address}"]
    assert "crmhost" in seen
    assert "pass" + "\\" not in seen
    with server.reach("deploy", become=Become(passwords)) as host:
        assert host.ask(sh("id -u")) == b"0\n"
    assert len(given) == 1


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"])
def test_a_profile_that_prints_and_a_hostile_answer(server: LanHost, shell: str) -> None:
    noise = r"printf '\033]0;owned\007%s\n' red; head -c 100000 /dev/zero | tr '\0' x; echo; echo red >&2"
    server.run(f"chsh -s {shell} deploy; cat >/home/deploy/.bashrc <<'END'\n{noise}\nEND")
    try:
        with server.root() as host:
            assert host.ask(sh("echo mine")) == b"mine\n"
            with lock(host, "acme", "a test", "me@here") as held:
                with pytest.raises(HostError) as failed:
                    held.batch(sh('subject=\'"one"\'; note begin "$subject"; failed "$subject" 3'))
                assert "one failed with exit code 3" in failed.value.what
            with pytest.raises(HostError, match="longer than 1048576 bytes"):
                host.ask(sh("head -c 10000000 /dev/zero"))
            with pytest.raises(HostError) as said:
                host.ask(sh("printf '\\033[31mred' >&2; exit 3"))
            assert "\x1b" not in said.value.what
            assert r"\x1b[31mred" in said.value.what
    finally:
        server.run("chsh -s /bin/bash deploy; rm /home/deploy/.bashrc")


def test_a_profile_that_reads_our_input_makes_no_argument_of_the_password(server: LanHost) -> None:
    watch = "while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' >>/tmp/seen; done"
    server.run("echo '[ ! -e /tmp/eat ] || read -r eaten' >/home/asks/.bashrc; : >/tmp/seen")
    server.container.exec_run(["timeout", "60", "sh", "-c", watch], detach=True)
    try:
        with server.root("asks") as host:
            assert host.ask(sh("id -u")) == b"0\n"
            server.run("touch /tmp/eat")
            with pytest.raises(HostError, match="the account runs no POSIX shell"):
                host.ask(sh("id -u"))
        seen = server.run("cat /tmp/seen")
        assert "crmhost-" in seen
        assert PASSWORD not in seen
    finally:
        server.run("rm /home/asks/.bashrc /tmp/eat")


def test_a_profile_without_an_end_is_not_waited_for(server: LanHost) -> None:
    server.run("echo 'yes red' >/home/deploy/.bashrc")
    try:
        assert "printed more than 1048576 bytes before anything was asked" in refused(server, "deploy").what
    finally:
        server.run("rm /home/deploy/.bashrc")


def test_an_account_without_a_shell_says_what_it_says(server: LanHost) -> None:
    server.run("chsh -s /usr/sbin/nologin deploy")
    try:
        with server.root() as host, pytest.raises(HostError, match="This account is currently not available"):
            host.ask(sh("id -u"))
    finally:
        server.run("chsh -s /bin/bash deploy")


def test_root_and_the_account_hold_locks_of_their_own(server: LanHost) -> None:
    with server.root() as root, server.reach() as account, lock(root, "acme", "one", "ann@laptop"):
        with lock(account, "acme", "two", "bob@laptop"):
            pass
        with server.root("asks") as other, pytest.raises(LockHeld, match="ann@laptop"), lock(other, "acme", "x", "y"):
            pass
