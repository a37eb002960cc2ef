"""Where the password comes from that sudo wants on a host."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest

from crm.errors import CrmhostError
from crmhost.fleet import Fleet
from crmhost.order import Access
from crmhost.passphrase import sudo_passwords
from crmhost.reach import reach
from crmhost.vault import Vault, make_identity
from crmhost.want import Order
from playbooks.keys import Phrase
from playbooks.shell import sh
from playbooks.sudo import NoRoot
from tests.support.lanhost import PASSWORD, LanHost

HOST = "deploy@192.0.2.10"


def nothing() -> None:
    return None


def test_the_environment_comes_before_its_file_the_secret_and_the_fleets_file(tmp_path: Path) -> None:
    named, own = tmp_path / "named", tmp_path / "own"
    named.write_text("from the named file\r\n")
    own.write_text("from the fleet's file\n")
    given = {"CRMHOST_SUDO_PASSWORD": "from the environment", "CRMHOST_SUDO_PASSWORD_FILE": str(named)}

    def secret() -> str:
        return "from the secret"

    found = []
    for environment, kept, file in (
        (given, secret, own),
        ({"CRMHOST_SUDO_PASSWORD_FILE": str(named)}, secret, own),
        ({}, secret, own),
        ({}, nothing, own),
    ):
        phrase = sudo_passwords(environment, kept, file)(HOST)
        assert phrase is not None
        found.append((phrase.origin, phrase.text))
    assert found == [
        ("CRMHOST_SUDO_PASSWORD", "from the environment"),
        (str(named), "from the named file"),
        ("the contract's secret sudo-password", "from the secret"),
        (str(own), "from the fleet's file"),
    ]


def test_nobody_is_asked_where_there_is_no_terminal() -> None:
    assert not sys.stdin.isatty()
    assert sudo_passwords({}, nothing, None)(HOST) is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CrmhostError, match="no: cannot be read"):
        sudo_passwords({"CRMHOST_SUDO_PASSWORD_FILE": str(tmp_path / "no")}, nothing, None)(HOST)


def test_a_person_is_asked_unseen_and_once_for_each_host() -> None:
    program = (
        "from crmhost.passphrase import sudo_passwords\n"
        "ask = sudo_passwords({}, lambda: None, None)\n"
        "print([ask(host).text for host in ('a@one', 'a@one', 'b@two')], flush=True)"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])  # noqa: S606 - an argument vector
    seen = b""
    for host, password in ((b"a@one", b"first"), (b"b@two", b"second")):
        while b"sudo's password on " + host + b": " not in seen:
            seen += os.read(terminal, 4096)
        assert b"first" not in seen
        os.write(terminal, password + b"\n")
    while b"]" not in seen:
        seen += os.read(terminal, 4096)
    assert b"['first', 'first', 'second']" in seen
    assert os.waitpid(child, 0)[1] == 0
    os.close(terminal)


def test_a_real_sudo_is_answered_from_the_contracts_secret_and_the_fleets_file(
    bare_lan: LanHost, tmp_path: Path
) -> None:
    identity = tmp_path / "identity"
    recipient = make_identity(identity)
    fleet = Fleet(tmp_path, {"CRMHOST_AGE_KEY_FILE": str(identity)})
    fleet.known_hosts.write_bytes(bare_lan.known_hosts.read_bytes())
    order = Order("acme", "contracts/acme.yaml", "creme", "2.8.6", "lan", {}, user="asks", host=bare_lan.address)

    def root(access: Access) -> bytes:
        with reach(fleet, order, access, lambda _: False, root=True) as host:
            return host.ask(sh("id -un"))

    access = Access(str(bare_lan.key), (recipient,), None, "none")
    with pytest.raises(NoRoot, match="none is known"):
        root(access)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    assert root(Access(str(bare_lan.key), (recipient,), None, "none", "password")) == b"root\n"
    Vault(tmp_path / "secrets", (recipient,), fleet.environment).set("acme", "sudo-password", PASSWORD)
    assert root(access) == b"root\n"
    assert PASSWORD not in repr(Phrase("a test", PASSWORD))
