"""Creme on a real shared host by the command line: its Passenger serves it, its MariaDB holds it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sharedhost import DATABASE, DATABASE_PASSWORD, SharedHost, give_database
from tests.support.trials import GIVEN, TRIAL, TRIAL_PASSWORD, give_trial

pytestmark = [pytest.mark.slow, pytest.mark.creme, pytest.mark.timeout(1200)]
CONTRACT = """\
contract: acme
customer: {{name: ACME Co., language: en}}
crm: {{recipe: creme, version: 2.8.6, url: {url}/}}
target:
  kind: webhost
  host: {host}
  user: customer
  front: passenger
  document-root: public_html
  database: {database}
term: {{signed: 2026-01-10, lasts: 1 year}}
"""


class Shell:
    """A fleet with one contract, and the command line in it."""

    def __init__(self, fleet: Path, host: SharedHost, surroundings: dict[str, str]) -> None:
        self._fleet, self._environment = fleet, surroundings
        (fleet / "contracts").mkdir(parents=True)
        recipient = self.run("secrets", "identity").strip()
        (fleet / "crmhost.yaml").write_text(f"fleet: Tests\nrecipients: [{recipient}]\nssh: {{key: {host.key}}}\n")
        (fleet / "known_hosts").write_bytes(host.known_hosts.read_bytes())
        (fleet / "contracts" / "acme.yaml").write_text(CONTRACT.format(url=host.url, host=host.address, database=GIVEN))
        self.run("secrets", "set", "acme", "database-password", given=DATABASE_PASSWORD)
        self.run("secrets", "set", "acme", "scratch-database-password", given=TRIAL_PASSWORD)

    def run(self, *arguments: str, given: str = "") -> str:
        """Run a command that must end well, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "crmhost", *arguments],
            cwd=self._fleet,
            env=self._environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        return done.stdout

    def told(self, *arguments: str) -> list[dict[str, object]]:
        """Run one, and return its JSON Lines."""
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]


def test_creme_lives_behind_passenger_on_mariadb(
    sharedhost: SharedHost, tmp_path: Path, surroundings: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    give_database(sharedhost)
    give_trial(sharedhost)
    shell = Shell(tmp_path / "fleet", sharedhost, surroundings)
    assert "the programs for its backups are there" in [line.get("found") for line in shell.told("doctor", "acme")]
    assert shell.told("deploy", "acme", "--yes")[-1]["did"] == "deployed"
    login = shell.told("login", "acme")[-1]
    assert (login["administrator"], login["defaults"]) == ("accepted", {"root": "refused"})
    assert shell.told("plan", "acme")[-1]["changes"] == 0
    assert "wsgi-loader" in sharedhost.run("ps -eo user:20,args | grep ^customer"), "Passenger runs it"
    assert "creme_core_cremeuser" in sharedhost.sql(f"show tables in {DATABASE}")
    shell.run("backup", "acme")
    (backup,) = shell.told("backup", "acme", "list")
    assert backup["why"] == "asked"

    who = f"select last_name from {DATABASE}.persons_contact"  # noqa: S608 - a name of ours
    before = sharedhost.sql(who)
    proof = shell.told("restore", "acme", "--to", "scratch")[-1]
    assert (proof["login"], sharedhost.sql(f"show tables in {TRIAL}")) == ("accepted", "")
    assert sharedhost.run("ls -A .crmhost").split() == ["acme", "artifacts", "crontab.lock", "templates"]
    assert shell.told("plan", "acme")[-1]["changes"] == 0

    sharedhost.sql(f"update {DATABASE}.persons_contact set last_name = 'spoilt'")  # noqa: S608 - as above
    back = shell.told("restore", "acme", "--backup", str(backup["id"]), "--no-backup", "--yes")[-1]
    assert (back["did"], sharedhost.sql(who)) == ("restored", before)
    assert shell.told("login", "acme")[-1]["administrator"] == "accepted"
    with capsys.disabled():
        print(f"\ncreme behind passenger: proven in {proof['seconds']} s, restored in {back['seconds']} s")  # noqa: T201
