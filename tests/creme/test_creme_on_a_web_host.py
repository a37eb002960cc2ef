"""A customer's whole life with Creme on a web host by the command line, in the order in which it happens.

The older version is deployed and no secret shows anywhere; nothing is to do afterwards, and one edit is one change; it
goes from 2.7 to 2.8, a backup first; a copy of another backup proves that one; back again; and nothing is left.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from crmhost.demo.scene import Scene, set_scene, sweep

pytestmark = [pytest.mark.slow, pytest.mark.creme, pytest.mark.timeout(1800)]
OLD, NEW = "2.7.13", "2.8.6"


@pytest.fixture(scope="module")
def scene(surroundings: dict[str, str]) -> Iterator[Scene]:
    """A web host, a fleet and a signed contract for the older version on it, not deployed yet."""
    with set_scene(surroundings) as scene:
        address = scene.host.address
        scene.commands.run("init", "--set", f"ssh.key={scene.host.key_file}")
        scene.commands.run(
            *("init", "acme", "--host", address.host, "--port", str(address.port), "--user", address.user),
            *("--listen", f"127.0.0.1:{scene.site}", "--url", f"http://127.0.0.1:{scene.site}/"),
            *("--set", "term.signed=2026-01-10", "--set", f"crm.version={OLD}"),
        )
        yield scene
    sweep(scene.folder, keep_fleet=False)


@contextmanager
def watched() -> Iterator[set[str]]:
    """Collect what any process shows in its command line and environment while the block runs."""
    told: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for process in psutil.process_iter(["cmdline", "environ"]):
                told.add(" ".join(process.info["cmdline"] or []))
                told.add(str(process.info["environ"] or {}))
            stop.wait(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join()


def crmhost(scene: Scene, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crmhost", *arguments],
        cwd=scene.commands.fleet,
        env=dict(scene.commands.environment),
        capture_output=True,
        text=True,
        check=False,
    )


def told(scene: Scene, *arguments: str) -> list[dict[str, object]]:
    """Run a command that must end well; return its JSON Lines."""
    done = crmhost(scene, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def contacts(scene: Scene) -> int:
    path = scene.host.home / ".crmhost/acme/data/db.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        found: int = db.execute("select count(*) from persons_contact").fetchone()[0]
        return found


def test_a_deploy_shows_no_secret_anywhere(scene: Scene) -> None:
    planted = {
        "admin-password": "Planted-Admin-4711-Secret",
        "secret-key": "Planted-Key-4711-Secret-0123456789abcdef-xyz",
    }
    for name, value in planted.items():
        scene.commands.run("secrets", "set", "acme", name, given=value)
    identity = Path(scene.commands.environment["CRMHOST_AGE_KEY_FILE"]).read_text()
    values = [*planted.values(), *(line for line in identity.splitlines() if line.startswith("AGE-SECRET"))]
    plan = crmhost(scene, "plan", "acme", "--json")
    with watched() as shown:
        deploy = crmhost(scene, "deploy", "acme", "--yes", "--json", "--accept-host-key")
    assert deploy.returncode == 0, deploy.stderr
    logs = crmhost(scene, "logs", "acme", "steps", "--lines", "1000")
    assert logs.returncode == 0
    texts = [*shown, plan.stdout, plan.stderr, deploy.stdout, deploy.stderr, logs.stdout, logs.stderr]
    host = scene.host.home / ".crmhost"
    kept = [path for path in host.rglob("*") if path.is_file() and not path.is_symlink()]
    journal = [path.read_text("utf-8", "replace") for path in kept if "journal" in path.name or path.suffix == ".log"]
    assert journal
    for value in values:
        assert not [text for text in texts + journal if value in text]
    holders = [path for path in kept if planted["secret-key"].encode() in path.read_bytes()]
    assert [path.name for path in holders] == ["secret-key"], "the file that Creme reads, and no other"
    assert holders[0].stat().st_mode & 0o777 == 0o600
    assert not [path for path in kept if planted["admin-password"].encode() in path.read_bytes()]


def test_the_plan_then_has_nothing_to_do(scene: Scene) -> None:
    plan = crmhost(scene, "plan", "acme", "--json")
    (line,) = [json.loads(text) for text in plan.stdout.splitlines()]
    assert (plan.returncode, line["type"], line["changes"]) == (0, "plan", 0)
    assert line["resources"] >= 20


def test_the_administrator_gets_in_and_the_default_account_does_not(scene: Scene) -> None:
    login = crmhost(scene, "login", "acme", "--json")
    line = json.loads(login.stdout)
    assert (login.returncode, line["administrator"], line["defaults"]) == (0, "accepted", {"root": "refused"})


def test_a_hand_edit_is_exactly_that_one_change_and_a_deploy_mends_it(scene: Scene) -> None:
    (edited,) = (scene.host.home / ".crmhost/acme/releases").glob("*/site_settings.py")
    edited.write_text(edited.read_text() + "\nDEBUG = True\n")
    plan = crmhost(scene, "plan", "acme", "--json")
    lines = [json.loads(text) for text in plan.stdout.splitlines()]
    assert plan.returncode == 2
    (change,) = [line for line in lines if line["type"] == "change"]
    assert change["resource"].startswith("file:")
    assert change["resource"].endswith("/site_settings.py")
    assert crmhost(scene, "deploy", "acme", "--yes").returncode == 0
    assert "DEBUG = True" not in edited.read_text()
    assert crmhost(scene, "plan", "acme").returncode == 0


def test_logs_status_and_exec_tell_of_what_runs(scene: Scene) -> None:
    status = json.loads(crmhost(scene, "status", "acme", "--json").stdout)
    assert {name: state for name, state, _ in status["processes"]} == {"web": "up", "jobs": "up"}
    assert status["users"] == 1
    ran = crmhost(
        scene, "exec", "acme", "--", "python", "-c", "import creme; print(creme.__version__); raise SystemExit(7)"
    )
    assert (ran.stdout.strip(), ran.returncode) == (OLD, 7)
    assert "gunicorn" in crmhost(scene, "logs", "acme", "web").stdout.lower()


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


def test_destroy_leaves_nothing_of_it(scene: Scene) -> None:
    gone = crmhost(scene, "destroy", "acme", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert not (scene.host.home / ".crmhost/acme").exists()
    assert crmhost(scene, "destroy", "acme", "--yes").returncode == 0, "once more is no mistake"
