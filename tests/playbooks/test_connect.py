"""Whom we talk to, and how a log-in fails."""

from __future__ import annotations

import base64
import hmac
import socket
import stat
from pathlib import Path

import asyncssh
import pytest

from crm.errors import HostError
from crmhost.sandbox.host import Sandbox
from playbooks.connect import Address, connect
from playbooks.known_hosts import fingerprint, look_up, name_of, pin
from playbooks.shell import sh
from tests.support.hosts import reach

pytestmark = pytest.mark.slow


def never(shown: str) -> bool:
    raise AssertionError(f"asked about {shown}, which is pinned already")


def test_first_contact_shows_the_fingerprint_and_pins_the_key(box: Sandbox, tmp_path: Path) -> None:
    known, shown = tmp_path / "fleet" / "known_hosts", list[str]()

    def accept(text: str) -> bool:
        shown.append(text)
        return True

    with connect(box.address, known, key_file=box.key_file, accept_new=accept) as host:
        assert host.ask(sh("echo hi")) == b"hi\n"
    assert shown == [box.fingerprint]
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
    assert known.read_text().startswith(f"[127.0.0.1]:{box.address.port} ssh-ed25519 AAAA")
    with connect(box.address, known, key_file=box.key_file, accept_new=never) as host:
        assert host.home == str(box.home)


def test_a_key_that_is_not_accepted_is_neither_pinned_nor_used(box: Sandbox, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    with pytest.raises(HostError, match=r"its key SHA256:.* is not known, and was not accepted"):
        connect(box.address, known, key_file=box.key_file, accept_new=lambda _: False)
    assert not known.exists()


def test_a_changed_key_names_both_fingerprints_and_the_line(box: Sandbox, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    other = asyncssh.generate_private_key("ssh-ed25519")
    name = name_of("127.0.0.1", box.address.port)
    known.write_text("# keys\n")
    pin(known, name, "ssh-ed25519", other.public_data)
    before = known.read_bytes()
    with pytest.raises(HostError) as caught:
        connect(box.address, known, key_file=box.key_file, accept_new=never)
    assert box.fingerprint in caught.value.what
    assert other.get_fingerprint() in caught.value.what
    assert f"{known}:2" in caught.value.what
    assert "remove that line" in caught.value.remedy
    assert known.read_bytes() == before


def test_a_hashed_name_is_understood(box: Sandbox, tmp_path: Path) -> None:
    known, salt = tmp_path / "known_hosts", b"0123456789abcdef0123"
    name = name_of("127.0.0.1", box.address.port)
    hashed = "|".join(
        ("", "1", *(base64.b64encode(part).decode() for part in (salt, hmac.digest(salt, name.encode(), "sha1"))))
    )
    known.write_text(f"{hashed} {(box.root / 'ssh' / 'host.pub').read_text()}")
    with connect(box.address, known, key_file=box.key_file, accept_new=never) as host:
        assert host.ask(sh("echo hi")) == b"hi\n"


@pytest.mark.parametrize(
    "line", ["@revoked * ssh-ed25519 AAAA", "example.org ssh-ed25519", "example.org ssh-ed25519 %%"]
)
def test_a_line_that_cannot_be_meant_is_named(tmp_path: Path, line: str) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"\n{line}\n")
    with pytest.raises(HostError, match=f"{known}:2: "):
        look_up(known, "example.org")


def test_pinning_ends_a_line_that_was_left_open(tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("one.example ssh-ed25519 AAAA")
    pin(known, "two.example", "ssh-ed25519", b"key")
    assert [entry.line for entry in look_up(known, "two.example")] == [2]
    assert look_up(known, "two.example")[0].fingerprint == fingerprint(b"key")


def test_a_wrong_key_is_refused_and_named(box: Sandbox, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(wrong)
    with pytest.raises(HostError, match=f"refused the log-in of 'sandbox'; keys offered: {wrong}"):
        connect(box.address, tmp_path / "known", key_file=wrong, accept_new=lambda _: True)


def test_a_key_that_cannot_be_read_is_named(box: Sandbox, tmp_path: Path) -> None:
    locked, garbage = tmp_path / "locked", tmp_path / "garbage"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(locked, passphrase="words")  # noqa: S106 - the test's own key
    garbage.write_text("not a key")
    for path, message in (
        (locked, "has a passphrase"),
        (garbage, "not a private key"),
        (tmp_path / "no", "no such key"),
    ):
        with pytest.raises(HostError, match=f"{path}: .*{message}"):
            connect(box.address, tmp_path / "known", key_file=path, accept_new=lambda _: True)


def test_a_host_that_is_down(box: Sandbox, tmp_path: Path) -> None:
    address = box.address
    box.close()
    with pytest.raises(HostError, match=r"sandbox@127\.0\.0\.1:\d+: cannot connect: Connection refused"):
        connect(address, tmp_path / "known", key_file=box.key_file, accept_new=never)


def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"no such host name: 'no-such-host\.invalid'"):
        connect(Address("u", "no-such-host.invalid"), tmp_path / "known", key_file=None, accept_new=never, timeout=5)


def test_a_host_that_accepts_and_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = Address("u", "127.0.0.1", silent.getsockname()[1])
        with pytest.raises(HostError, match="does not speak SSH with us"):
            connect(address, tmp_path / "known", key_file=None, accept_new=never, timeout=0.3)


def test_the_same_host_again_has_the_same_key(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box") as first:
        shown = first.fingerprint
    with Sandbox(tmp_path / "box") as second, reach(second) as host:
        assert second.fingerprint == shown
        assert host.home == str(second.home)
