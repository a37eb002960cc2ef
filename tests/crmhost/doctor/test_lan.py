"""`crmhost doctor NAME` on a server with sudo: what is said of what it answered, and a real one that is asked."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from crmhost.doctor import lan as judging
from crmhost.doctor.finding import Finding
from crmhost.doctor.server import look
from crmhost.fleet import Fleet
from crmhost.want import Order
from playbooks.lan.condition import ServerCondition
from tests.crmhost.conftest import Crmhost
from tests.support.contracts import golden
from tests.support.lanhost import PASSWORD, LanHost
from tests.support.smallapp.recipe import RECIPE
from tests.support.until import until

CASES = sorted((Path(__file__).parent / "lan").glob("*.yaml"))
PORTS = (80, 443)
CHANGED = """\
find / -xdev -newer /tmp/mark -type f ! -path '/var/log/*' ! -path '/var/lib/sudo/*' ! -path '/var/lib/systemd/*'
test ! -e /var/lib/crmhost || echo /var/lib/crmhost
"""
WELL: dict[str, Any] = {
    "clock": 1_000_001,
    "release": ("debian", "12", "Debian GNU/Linux 12 (bookworm)"),
    "systemd": 252,
    "disk": 40 << 30,
    "files": 2_000_000,
    "memory": 4 << 30,
    "ports": {},
    "packaging": (),
    "connections": (4, 500),
}


def asked(case: dict[str, Any]) -> judging.Asked:
    said = {key: _value(key, value) for key, value in case.get("condition", {}).items()}
    return judging.Asked(ServerCondition(**{**WELL, **said}), 1_000_000.0, 1_000_002.0)


def _value(key: str, said: Any) -> Any:  # noqa: ANN401 - what a YAML file says of a field
    if said == "none":
        return None
    if key == "ports":
        return {int(port): tuple(programs) for port, programs in said.items()}
    if key == "connections":
        return tuple(map(int, said))
    return tuple(said) if isinstance(said, list) else int(said)


def line(one: Finding) -> str:
    return f"{one.what} | {one.found} | {one.remedy}".rstrip()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_situation(path: Path) -> None:
    case = golden(path)
    well = {line(one) for one in judging.judge(RECIPE, PORTS, asked({}))}
    found = [line(one) for one in judging.judge(RECIPE, PORTS, asked(case))]
    assert [one for one in found if one not in well] == case["says"]


def test_a_server_on_which_all_is_well_has_no_remedy() -> None:
    found = list(judging.judge(RECIPE, PORTS, asked({})))
    ports = ["port 80", "port 443"]
    assert [one.what for one in found] == ["system", "systemd", "disk", "memory", "clock", *ports, "apt", "postgresql"]
    assert [one for one in found if one.remedy] == []


@pytest.fixture
def fleet(tmp_path: Path, bare_lan: LanHost) -> Fleet:
    """Return a fleet that has met the server."""
    (tmp_path / "crmhost.yaml").write_text(f"fleet: Tests\nssh: {{key: {bare_lan.key}, config: none}}\n")
    (tmp_path / "known_hosts").write_bytes(bare_lan.known_hosts.read_bytes())
    return Fleet(tmp_path, {"CRMHOST_SUDO_PASSWORD": PASSWORD})


def found(fleet: Fleet, server: LanHost, user: str) -> dict[str, Finding]:
    slots = {"url": f"https://{server.address}/"}
    order = Order("acme", "acme.yaml", "creme", "2.8.6", "lan", slots, user=user, host=server.address)
    return {one.what: one for one in look(fleet, order, RECIPE, lambda _: False)}


def test_a_real_server_is_asked_and_nothing_is_changed_on_it(fleet: Fleet, bare_lan: LanHost) -> None:
    bare_lan.run("touch /tmp/mark")
    ways = {user: found(fleet, bare_lan, user)["sudo"] for user in ("root", "deploy", "asks")}
    seen = found(fleet, bare_lan, "deploy")
    assert bare_lan.run(CHANGED) == ""
    assert {user: one.found for user, one in ways.items()} == {
        "root": "the account is root",
        "deploy": "lets the account without a password",
        "asks": "lets the account with its password",
    }
    assert seen["ssh"].found == f"deploy@{bare_lan.address}"
    assert seen["system"].found == "Debian GNU/Linux 12 (bookworm)"
    assert seen["systemd"].found == "252"
    assert [seen[what].found for what in ("clock", "port 80", "port 443", "apt")] == [
        "agrees with this machine's", "free", "free", "no lock is held",
    ]  # fmt: skip
    assert seen["url"].found.endswith("nothing answers yet; the first deploy brings nginx")


def test_what_is_in_the_way_on_a_real_server_is_named(fleet: Fleet, bare_lan: LanHost) -> None:
    take = "import socket,time; s = socket.create_server(('', 80)); time.sleep(600)"
    lock = (
        "import fcntl,time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX);"
        " open('/tmp/held', 'w'); time.sleep(600)"
    )
    for program in (take, lock):
        bare_lan.container.exec_run(["python3", "-c", program], detach=True)
    held = "ss -Hltn 'sport = :80' | grep -q . && test -e /tmp/held"
    until(lambda: bare_lan.container.exec_run(["sh", "-c", held]).exit_code == 0, "both programs are at it", 60)
    seen = found(fleet, bare_lan, "deploy")
    assert seen["port 80"].found == "python3 listens there"
    assert seen["apt"].found.startswith("python3 ")
    assert seen["apt"].remedy
    without = found(fleet, bare_lan, "plain")
    assert "sudo refused the password from CRMHOST_SUDO_PASSWORD" in without["sudo"].found
    assert without["port 80"].found == "something listens there; which program, only root may know"
    assert without["system"].found == "Debian GNU/Linux 12 (bookworm)"


def test_a_server_that_cannot_be_reached_is_one_finding(fleet: Fleet, bare_lan: LanHost) -> None:
    bare_lan.run("systemctl stop ssh")
    until(lambda: socket.socket().connect_ex((bare_lan.address, 22)) != 0, "SSH is down")
    assert list(found(fleet, bare_lan, "deploy")) == ["ssh", "dns", "url"]


def test_the_command_looks_at_a_contracts_server(crmhost: Crmhost, folder: Path, bare_lan: LanHost) -> None:
    assert crmhost("init", "--set", "ssh.config=none", "--set", f"ssh.key={bare_lan.key}").code == 0
    (folder / "known_hosts").write_bytes(bare_lan.known_hosts.read_bytes())
    (folder / "contracts" / "acme.yaml").write_text(
        f"""\
contract: acme
customer: {{name: ACME Co., language: vi}}
crm: {{recipe: creme, version: 2.8.6, url: 'https://127.0.0.1:9/'}}
target: {{kind: lan, host: {bare_lan.address}, user: deploy}}
term: {{signed: 2026-01-10, accepted: 2026-02-01, lasts: 1 year}}
"""
    )
    said = crmhost("doctor", "acme", "--json")
    rows = [json.loads(row) for row in said.out.splitlines()]
    assert [row["what"] for row in rows] == [
        "contract", "ssh", "sudo", "system", "systemd", "disk", "memory", "clock", "port 9", "port 80", "apt", "dns",
        "url",
    ]  # fmt: skip
    assert (said.code, [row for row in rows if not row["ok"]]) == (0, [])
