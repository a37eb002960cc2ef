"""Creme goes from 2.7 to 2.8 on a web host: a backup first, a copy of another one proves it, and back again."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crmhost.demo.scene import Scene, set_scene, sweep

pytestmark = [pytest.mark.slow, pytest.mark.creme, pytest.mark.timeout(1800)]
OLD, NEW = "2.7.13", "2.8.6"


@pytest.fixture(scope="module")
def scene(surroundings: dict[str, str]) -> Iterator[Scene]:
    """A web host, a fleet and a signed contract for the older version on it, deployed."""
    with set_scene(surroundings) as scene:
        address = scene.host.address
        scene.commands.run("init", "--set", f"ssh.key={scene.host.key_file}")
        scene.commands.run(
            *("init", "acme", "--host", address.host, "--port", str(address.port), "--user", address.user),
            *("--listen", f"127.0.0.1:{scene.site}", "--url", f"http://127.0.0.1:{scene.site}/"),
            *("--set", "term.signed=2026-01-10", "--set", f"crm.version={OLD}"),
        )
        told(scene, "deploy", "acme", "--yes", "--accept-host-key")
        yield scene
    sweep(scene.folder, keep_fleet=False)


def told(scene: Scene, *arguments: str) -> list[dict[str, object]]:
    """Run a command that must end well; return its JSON Lines."""
    done = subprocess.run(
        [sys.executable, "-m", "crmhost", *arguments, "--json"],
        cwd=scene.commands.fleet,
        env=dict(scene.commands.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def contacts(scene: Scene) -> int:
    path = scene.host.home / ".crmhost/acme/data/db.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        found: int = db.execute("select count(*) from persons_contact").fetchone()[0]
        return found


def test_it_is_upgraded_and_everybody_still_gets_in(scene: Scene) -> None:
    before = contacts(scene)
    contract = Path(scene.commands.fleet) / "contracts" / "acme.yaml"
    contract.write_text(contract.read_text().replace(OLD, NEW))
    outcome = told(scene, "deploy", "acme", "--yes")[-1]
    assert (outcome["did"], str(outcome["release"]).startswith(f"creme-{NEW}-")) == ("deployed", True)
    assert told(scene, "login", "acme")[-1]["administrator"] == "accepted"
    assert told(scene, "plan", "acme")[-1]["changes"] == 0
    assert contacts(scene) == before > 0
    (backup,) = told(scene, "backup", "acme", "list")
    assert (backup["id"], backup["why"]) == (outcome["backup"], "upgrade")
    assert str(backup["release"]).startswith(f"creme-{OLD}-")


def test_a_backup_of_it_is_proven_by_a_copy(scene: Scene) -> None:
    made = told(scene, "backup", "acme")[-1]
    proof = told(scene, "restore", "acme", "--to", "scratch")[-1]
    assert (proof["id"], proof["login"]) == (made["id"], "accepted")
    assert not (scene.host.home / ".crmhost/acme_try").exists()


def test_it_goes_back_with_the_backup_of_the_upgrade(scene: Scene) -> None:
    outcome = told(scene, "rollback", "acme", "--yes")[-1]
    assert (outcome["did"], str(outcome["release"]).startswith(f"creme-{OLD}-")) == ("rolled back", True)
    assert told(scene, "login", "acme")[-1]["administrator"] == "accepted"
