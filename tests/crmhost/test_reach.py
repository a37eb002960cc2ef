"""From a contract to its host: through jump hosts, by the user's SSH configuration, with keys that have passphrases."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.errors import CrmhostError
from crmhost.fleet import Fleet
from crmhost.order import read_order
from crmhost.passphrase import phrases
from crmhost.reach import reach, way
from playbooks.keys import Phrase
from playbooks.shell import sh
from tests.crmhost.conftest import Crmhost
from tests.crmhost.test_order import NOW
from tests.support.jumps import ME, Chain, chained, lock

KEY = Path("/fleet/key")


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """Return two jump hosts and the host behind them."""
    with chained(tmp_path / "chain", 3) as made:
        yield made


def fleet_of(crmhost: Crmhost, folder: Path, *more: str, host: str = "web1.example", key: Path | None = None) -> Fleet:
    assert crmhost("init", *(() if key is None else ("--set", f"ssh.key={key}"))).code == 0
    made = crmhost(
        *("init", "acme", "--host", host, "--user", ME, "--listen", "127.0.0.1:8100"),
        *("--url", "https://crm.acme.example/", "--set", "term.signed=2026-01-10", *more),
    )
    assert made.code == 0, made.err
    return Fleet(folder, dict(os.environ))


def edit(fleet: Fleet, added: str) -> None:
    """Add keys to the contract's target."""
    path = fleet.contract_file("acme")
    path.write_text(path.read_text().replace("  listen: ", f"  {added}\n  listen: "))
    assert added in path.read_text()


def titles(fleet: Fleet) -> list[str]:
    return [stop.title for stop in way(fleet, *read_order(fleet, "acme", NOW))]


def test_the_contracts_jump_hosts_are_met_in_order_also_when_the_order_was_kept(crmhost: Crmhost, folder: Path) -> None:
    fleet = fleet_of(crmhost, folder)
    edit(fleet, "jump: [ops@bastion.example, inner.example:2222]")
    expected = [
        f"ops@bastion.example (jump host 1 of 2 to {ME}@web1.example)",
        f"{ME}@inner.example:2222 (jump host 2 of 2 to {ME}@web1.example)",
        f"{ME}@web1.example",
    ]
    assert titles(fleet) == expected
    assert titles(Fleet(folder, fleet.environment)) == expected


def test_the_users_configuration_is_read_and_may_be_another_or_none(crmhost: Crmhost, folder: Path) -> None:
    fleet = fleet_of(crmhost, folder, host="web1")
    assert titles(fleet) == [f"{ME}@web1"]
    users = folder.parent / "home" / ".ssh" / "config"
    users.parent.mkdir()
    users.write_text("Host web1\n HostName web1.example.org\n Port 2222\n")
    assert titles(fleet) == [f"{ME}@web1.example.org:2222"]
    (folder / "ssh_config").write_text("Host web1\n HostName other.example.org\n")
    settings = fleet.settings_file.read_text().partition("\nssh:")[0]
    fleet.settings_file.write_text(f"{settings}\nssh: {{config: ssh_config}}\n")
    assert titles(Fleet(folder, fleet.environment)) == [f"{ME}@other.example.org"]
    fleet.settings_file.write_text(fleet.settings_file.read_text().replace("config: ssh_config", "config: none"))
    assert titles(Fleet(folder, fleet.environment)) == [f"{ME}@web1"]


def test_a_configuration_that_the_fleet_names_must_be_there(crmhost: Crmhost, folder: Path) -> None:
    fleet = fleet_of(crmhost, folder)
    settings = fleet.settings_file.read_text().partition("\nssh:")[0]
    fleet.settings_file.write_text(f"{settings}\nssh: {{config: ssh_config}}\n")
    with pytest.raises(CrmhostError, match=rf"{folder}/ssh_config: cannot be read"):
        titles(fleet)


def test_a_port_of_the_contract_comes_before_the_configurations(crmhost: Crmhost, folder: Path) -> None:
    fleet = fleet_of(crmhost, folder, "--set", "target.port=2200")
    (folder.parent / "home" / ".ssh").mkdir()
    (folder.parent / "home" / ".ssh" / "config").write_text("Host *\n Port 2222\n")
    assert titles(fleet) == [f"{ME}@web1.example:2200"]


@pytest.mark.slow
def test_a_host_is_reached_over_two_jumps_of_the_configuration_and_everyone_is_asked_about(
    crmhost: Crmhost, folder: Path, chain: Chain
) -> None:
    fleet = fleet_of(crmhost, folder, host="web", key=chain.key)
    one, two, three = (server.port for server in chain.servers)
    (folder.parent / "home" / ".ssh").mkdir()
    (folder.parent / "home" / ".ssh" / "config").write_text(
        f"Host web\n HostName 127.0.0.1\n Port {three}\n ProxyJump outer,inner\n"
        f"Host outer\n HostName 127.0.0.1\n Port {one}\nHost inner\n HostName 127.0.0.1\n Port {two}\n"
    )
    shown: list[str] = []

    def accept(text: str) -> bool:
        shown.append(text)
        return True

    with reach(fleet, *read_order(fleet, "acme", NOW), accept) as host:
        assert host.ask(sh("echo hi")) == b"hi\n"
    assert shown == [
        f"{chain.servers[0].fingerprint} of {ME}@127.0.0.1:{one} (jump host 1 of 2 to {ME}@127.0.0.1:{three})",
        f"{chain.servers[1].fingerprint} of {ME}@127.0.0.1:{two} (jump host 2 of 2 to {ME}@127.0.0.1:{three})",
        f"{chain.servers[2].fingerprint} of {ME}@127.0.0.1:{three}",
    ]
    assert len(fleet.known_hosts.read_text().splitlines()) == 3


@pytest.mark.slow
def test_a_verb_names_the_jump_host_whose_key_nobody_accepted(crmhost: Crmhost, folder: Path, chain: Chain) -> None:
    one, two, three = (server.port for server in chain.servers)
    fleet = fleet_of(crmhost, folder, "--port", str(three), host="127.0.0.1", key=chain.key)
    edit(fleet, f"jump: ['127.0.0.1:{one}', '127.0.0.1:{two}']")
    said = crmhost("status", "acme")
    assert said.code == 1
    assert said.err.startswith(
        f"crmhost: {ME}@127.0.0.1:{one} (jump host 1 of 2 to {ME}@127.0.0.1:{three}): its key "
        f"{chain.servers[0].fingerprint} is not known, and was not accepted\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["environment", "file"])
def test_a_passphrase_comes_from_the_environment_or_a_file(
    crmhost: Crmhost, folder: Path, chain: Chain, how: str
) -> None:
    lock(chain.key, "horse battery")
    port = chain.servers[0].port
    made = fleet_of(crmhost, folder, "--port", str(port), host="127.0.0.1", key=chain.key)
    (folder / "phrase").write_text("horse battery\n")
    given = {"CRMHOST_SSH_PASSPHRASE": "horse battery"}
    if how == "file":
        given = {"CRMHOST_SSH_PASSPHRASE_FILE": str(folder / "phrase")}
    order, access = read_order(made, "acme", NOW)
    with reach(Fleet(folder, given), order, access, lambda _: True) as host:
        assert host.ask(sh("echo hi")) == b"hi\n"
    with pytest.raises(CrmhostError, match=f"{chain.key}: the passphrase from .* does not open it"):
        reach(Fleet(folder, {"CRMHOST_SSH_PASSPHRASE": "another"}), order, access, lambda _: True)
    with pytest.raises(CrmhostError, match=f"{chain.key}: the key has a passphrase"):
        reach(Fleet(folder, {}), order, access, lambda _: True)


def test_a_file_for_the_passphrase_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CrmhostError, match=f"{tmp_path}/no: cannot be read"):
        list(phrases({"CRMHOST_SSH_PASSPHRASE_FILE": str(tmp_path / "no")})(KEY))


def test_a_passphrase_is_not_shown_where_it_is_printed_by_mistake() -> None:
    assert "horse" not in repr(Phrase("the terminal", "horse battery"))


@pytest.mark.slow
def test_a_passphrase_is_asked_for_on_the_terminal_unseen_and_three_times_at_most() -> None:
    program = (
        "from pathlib import Path; from crmhost.passphrase import phrases\n"
        "print([(one.origin, one.text) for one in phrases({})(Path('/fleet/key'))], flush=True)"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])  # noqa: S606 - an argument vector
    seen = b""
    for number in range(1, 4):
        while seen.count(b"passphrase of /fleet/key: ") < number:
            seen += os.read(terminal, 4096)
        assert f"try{number - 1}".encode() not in seen, "nothing of it is echoed"
        os.write(terminal, f"try{number}\n".encode())
    while b"]" not in seen:
        seen += os.read(terminal, 4096)
    assert b"[('the terminal', 'try1'), ('the terminal', 'try2'), ('the terminal', 'try3')]" in seen
    assert os.waitpid(child, 0)[1] == 0
    os.close(terminal)
