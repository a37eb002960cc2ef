"""`crmhost … --local` on a real server: the very command, run there by an account that sudo asks for its password."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import RealEngine
from tests.support.lanhost import PASSWORD, LanHost, LanHosts

ROOT = Path(__file__).parents[2]
PACKAGES = Path(sysconfig.get_paths()["purelib"])
CONTRACT = """\
contract: acme
customer: {{name: ACME Co., language: vi}}
crm: {{recipe: creme, version: 2.8.6, url: 'https://crm.acme.example/'}}
target: {{kind: lan, host: {host}, user: deploy}}
term: {{signed: 2026-01-10, accepted: 2026-02-01, lasts: 1 year}}
"""


@pytest.fixture
def server(engine: RealEngine, lan_hosts: LanHosts) -> LanHost:
    """Return a server that has this crmhost, and a fleet in the home of the account `asks`."""
    if sys.version_info[:2] != (3, 11) or not engine.url.startswith("unix:"):
        pytest.skip("this machine cannot have it: the server's Python is 3.11, and it borrows what is installed here")
    borrowed = {str(ROOT): {"bind": "/opt/crmhost", "mode": "ro"}, str(PACKAGES): {"bind": "/opt/lib", "mode": "ro"}}
    made = lan_hosts(volumes=borrowed)
    made.run("install -o asks -m 600 /dev/null /home/asks/password; install -o asks -d /home/asks/fleet/contracts")
    for path, text in (("password", PASSWORD + "\n"), ("fleet/crmhost.yaml", "fleet: On the server\n")):
        made.run(f"cat >/home/asks/{path} <<'END'\n{text}END")
    made.run(f"cat >/home/asks/fleet/contracts/acme.yaml <<'END'\n{CONTRACT.format(host=made.address)}END")
    made.run("chown -R asks: /home/asks/fleet")
    return made


def crmhost(server: LanHost, line: str) -> tuple[int, str]:
    """Run a command as `asks`; return its exit code and what it printed."""
    environment = "PYTHONPATH=/opt/crmhost:/opt/lib PYTHONDONTWRITEBYTECODE=1 CRMHOST_SUDO_PASSWORD_FILE=~/password"
    said = server.run(f"su asks -c 'cd ~/fleet && {environment} python3 -m crmhost {line}' 2>&1 </dev/null; echo $?")
    text, _, code = said.rstrip("\n").rpartition("\n")
    return int(code), text


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_server_looks_at_itself_and_plans_for_itself(server: LanHost) -> None:
    code, text = crmhost(server, "plan acme --local")
    assert code == 1
    assert "was not accepted" in text
    _, text = crmhost(server, "doctor acme --local --accept-host-key --json")
    found = {row["what"]: row["found"] for row in rows(text)}
    assert found["ssh"] == f"{server.run('hostname').strip()} (this machine)"
    assert found["sudo"] == "lets the account with its password"
    assert server.run("cat /home/asks/fleet/known_hosts") == f"{server.address} {server.public}\n"
    code, text = crmhost(server, "plan acme --local --json")
    assert (code, rows(text)[-1]["serving"]) == (2, None), text
    assert rows(text)[-1]["changes"] > 10
    assert server.run("test -e /var/lib/crmhost && echo made; true") == ""
    server.run("cd /etc/ssh && rm ssh_host_ed25519_key* && ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key")
    code, text = crmhost(server, "doctor acme --local --accept-host-key --json")
    found = {row["what"]: row["found"] for row in rows(text)}
    assert code == 1
    assert "is not this machine" in found["ssh"]
    assert "sudo" not in found
