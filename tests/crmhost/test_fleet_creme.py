"""The whole of it with the real CRM: planned, asked about once, deployed; one fails; again there is nothing to do."""

from __future__ import annotations

import http.client
import os
import pwd
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crmhost.newfleet import create_fleet
from tests.crmhost.test_json_schema import checked
from tests.support.fleets import contract_text, sandboxes
from tests.support.terminal import ROOT, Terminal

pytestmark = [pytest.mark.slow, pytest.mark.creme, pytest.mark.timeout(1200)]


def status(listen: str) -> int:
    host, _, port = listen.partition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=30)) as connection:
        connection.request("GET", "/creme_login/")
        return connection.getresponse().status


def test_two_customers_are_confirmed_once_and_deployed_beside_one_that_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache")
    monkeypatch.setenv("PIP_CACHE_DIR", os.environ.get("PIP_CACHE_DIR", str(cache / "pip")))
    create_fleet(folder, "Test hosting", [f"ssh.key={folder / 'key'}"], dict(os.environ))
    with sandboxes(1, folder / "key", folder / "known_hosts") as (box,):
        texts = {name: contract_text(name, ssh=box.address.port) for name in ("acme", "bolt")}
        for name, text in {**texts, "dead": contract_text("dead")}.items():
            (folder / "contracts" / f"{name}.yaml").write_text(text)
        terminal = Terminal(folder, "deploy", "--all")
        terminal.wait_for("do this for 2 of them (acme, bolt)? [y/N]:", 120)
        terminal.type("y\n")
        assert terminal.end(1000) == 1, terminal.shown
        end = terminal.shown.splitlines()[-8:]
        assert any(line.startswith("3 contracts: 2 deployed, 1 failed (") for line in end), terminal.shown
        assert "crmhost: dead: sandbox@127.0.0.1:9: cannot connect: Connection refused" in terminal.shown
        for text in texts.values():
            assert status(text.split('"http://')[1].split("/")[0]) == 200
        (folder / "contracts" / "dead.yaml").unlink()
        again = subprocess.run(
            [sys.executable, "-m", "crmhost", "deploy", "--all", "--yes", "--json"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (again.returncode, again.stderr) == (0, "")
        assert checked(again.stdout)[-1]["results"] == {"nothing": ["acme", "bolt"]}
