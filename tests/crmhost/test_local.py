"""`--local` on the command line: this machine as a contract's host, and what is refused."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crmhost.conftest import Crmhost

TEXT = """\
contract: acme
customer: {{name: ACME Co., language: vi}}
crm: {{recipe: creme, version: 2.8.6, url: 'https://127.0.0.1:9/'}}
target: {{{target}}}
term: {{signed: 2026-01-10, accepted: 2026-02-01, lasts: 1 year}}
"""
ME = getpass.getuser()


@pytest.fixture
def contract(crmhost: Crmhost, folder: Path) -> Callable[[str], None]:
    assert crmhost("init", "--set", "ssh.config=none").code == 0

    def write(target: str) -> None:
        (folder / "contracts" / "acme.yaml").write_text(TEXT.format(target=target))

    return write


def webhost(host: str = "127.0.0.1", user: str = ME) -> str:
    return f"kind: webhost, host: {host}, user: {user}, listen: '127.0.0.1:8100'"


def host_of(said: str) -> str:
    """Return what doctor says of the host itself."""
    lines = [json.loads(line) for line in said.splitlines()]
    return str(next(one["found"] for one in lines if one["what"] == "ssh"))


def test_this_machine_is_asked_without_ssh(
    crmhost: Crmhost, contract: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    contract(webhost())
    expected = f"{socket.gethostname()} (this machine)"
    assert host_of(crmhost("doctor", "acme", "--local", "--accept-host-key", "--json").out) == expected
    monkeypatch.setenv("CRMHOST_LOCAL", "1")
    assert host_of(crmhost("doctor", "acme", "--accept-host-key", "--json").out) == expected


def test_a_machine_that_nobody_vouched_for_is_refused(crmhost: Crmhost, contract: Callable[[str], None]) -> None:
    contract(webhost())
    said = crmhost("plan", "acme", "--local")
    assert said.code == 1
    assert said.err.startswith(f"crmhost: {ME}@127.0.0.1: that it is this machine, {socket.gethostname()}, was not acc")


def test_another_address_and_another_account_are_refused(crmhost: Crmhost, contract: Callable[[str], None]) -> None:
    contract(webhost("203.0.113.7"))
    said = crmhost("plan", "acme", "--local")
    assert f"{ME}@203.0.113.7: is not this machine, {socket.gethostname()}: 203.0.113.7 is no address" in said.err
    contract(webhost(user="somebody"))
    said = crmhost("plan", "acme", "--local")
    assert f"--local works as the account that runs it, {ME}, and the contract means somebody" in said.err


@pytest.mark.parametrize("line", ["plan", "deploy", "status", "logs", "doctor", "destroy --yes"])
def test_a_docker_host_is_where_the_contract_says(crmhost: Crmhost, contract: Callable[[str], None], line: str) -> None:
    verb, *more = line.split()
    images = "".join(f"    {name}: sha256:{'0' * 64}\n" for name in ("python", "postgresql", "redis", "ingress"))
    with Path("crmhost.yaml").open("a") as settings:
        settings.write(f"cloud:\n  images:\n{images}")
    contract("kind: cloud, docker: 'ssh://deploy@docker1.example'")
    said = crmhost(verb, "acme", "--local", *more)
    assert said.code == 1
    assert "target.docker: says already where the Docker host is" in said.err
