"""Creme on a real LAN server by the command line: deployed, logged in to over HTTPS, rebooted, removed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.parse
from contextlib import closing
from pathlib import Path

import pytest

from crmhost.door import Door
from tests.support.lanhost import LanHost
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.cloud, pytest.mark.creme, pytest.mark.timeout(1800)]
URL = "https://crm.acme.lan"
CONTRACT = """\
contract: acme
customer: {{name: ACME Co., language: en}}
crm: {{recipe: creme, version: 2.8.6, url: {url}/}}
target: {{kind: lan, host: {host}, user: deploy}}
term: {{signed: 2026-01-10, lasts: 1 year}}
"""


class Shell:
    """A fleet with one contract, and the command line in it."""

    def __init__(self, fleet: Path, lan: LanHost, surroundings: dict[str, str]) -> None:
        self.fleet, self.environment = fleet, surroundings
        (fleet / "contracts").mkdir(parents=True)
        recipient = self.run("secrets", "identity").strip()
        ssh = f"ssh: {{key: {lan.key}, config: ssh_config}}"
        (fleet / "ssh_config").touch()
        (fleet / "crmhost.yaml").write_text(f"fleet: Tests\nrecipients: [{recipient}]\n{ssh}\n")
        (fleet / "known_hosts").write_bytes(lan.known_hosts.read_bytes())
        self._lan = lan
        (fleet / "contracts" / "acme.yaml").write_text(CONTRACT.format(url=URL, host=lan.address))

    def run(self, *arguments: str) -> str:
        """Run a command that must end well, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "crmhost", *arguments],
            cwd=self.fleet,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        return done.stdout

    def told(self, *arguments: str) -> dict[str, object]:
        """Run one, and return the last of its JSON Lines."""
        last: dict[str, object] = json.loads(self.run(*arguments, "--json").splitlines()[-1])
        return last

    def move_behind(self) -> None:
        """Give the server a name that this machine cannot look up, behind a jump host, which it is itself."""
        address, public = self._lan.address, self._lan.public
        contract = self.fleet / "contracts" / "acme.yaml"
        contract.write_text(contract.read_text().replace(f"host: {address}", "host: server.acme.lan"))
        hosts = f"Host hop\n  HostName {address}\nHost server.acme.lan\n  HostName {address}\n  ProxyJump deploy@hop\n"
        (self.fleet / "ssh_config").write_text(hosts)
        with (self.fleet / "known_hosts").open("a") as known:
            known.write(f"{address}%{address} {public}\n")


def page(door: Door, path: str) -> str:
    """Return `STATUS BODY` of a page, or why there is none."""
    try:
        with closing(door.connection(urllib.parse.urlsplit(URL), 30.0)) as line:
            line.request("GET", path)
            response = line.getresponse()
            return f"{response.status} {response.read().decode()}"
    except OSError as error:
        return f"down: {error}"


def test_creme_lives_on_a_server(lan: LanHost, tmp_path: Path, surroundings: dict[str, str]) -> None:
    shell = Shell(tmp_path / "fleet", lan, surroundings)
    assert shell.told("deploy", "acme", "--yes")["did"] == "deployed"
    assert shell.told("login", "acme")["administrator"] == "accepted"
    shell.move_behind()
    assert shell.told("login", "acme")["administrator"] == "accepted", "through the connection to the server"
    assert shell.told("plan", "acme")["changes"] == 0
    assert json.loads(shell.run("status", "acme", "--json"))["users"] == 1
    door = Door((lan.address, 443), shell.run("secrets", "show", "acme", "tls-authority"))
    assert re.search(r"^200 .*csrfmiddlewaretoken", page(door, "/creme_login/"), re.DOTALL)
    listed = lan.run("systemctl list-units --plain --no-legend 'crmhost-acme.*.service' | cut -d' ' -f1").split()
    assert len(listed) == 2
    for unit in listed:
        said = lan.run(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        found = re.search(r"level for .*: ([0-9.]+) ", said)
        assert found is not None, said
        assert float(found[1]) <= 3.0, said
    lan.restart()
    until(lambda: page(door, "/creme_login/").startswith("200 "), "Creme serves after a reboot", 120)
    assert shell.told("plan", "acme")["changes"] == 0
    assert shell.told("destroy", "acme", "--yes", "--no-backup", "--lose-data")["did"] == "destroyed"
    assert lan.run("ls -d /var/lib/crmhost 2>/dev/null; getent passwd | grep crm- || true") == ""
