"""`crmhost serve` as a process: a backup that fails is told in the log and in /metrics, and the measuring goes on."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

import pytest

from crmhost.demo.commands import Commands, end
from crmhost.sandbox.ports import free_port
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
IMAGES = ("python", "postgresql", "redis", "ingress")


def page(address: str, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=2) as answer:
            return str(answer.read().decode())
    except OSError as error:
        return f"no answer: {error}"


def test_a_backup_that_fails_is_told_and_nothing_else_suffers(tmp_path: Path) -> None:
    fleet, address = tmp_path / "fleet", f"127.0.0.1:{free_port()}"
    fleet.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CRMHOST_")}
    commands = Commands(fleet, {**kept, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")})
    images = [word for one in IMAGES for word in ("--set", f"cloud.images.{one}=sha256:{'0' * 64}")]
    commands.run("init", "--set", f"serve.listen={address}", *images)
    sets = (
        *("target.docker=unix:///nowhere/docker.sock", "crm.url=https://127.0.0.1:9/"),
        *("term.signed=2026-01-10", "term.accepted=2026-02-01"),
        *("data-protection.backup.every=day", "data-protection.backup.keep=30 days"),
    )
    commands.run("init", "acme", "--target", "cloud", *(word for one in sets for word in ("--set", one)))
    log = tmp_path / "serve.log"
    serve = commands.start("serve", "--log-json", log=log)
    failed = 'crmhost_backup_last_failure_timestamp_seconds{contract="acme"}'
    try:
        until(lambda: failed in page(address, "/metrics"), f"a failed backup: {log.read_text()}", 90)
        assert page(address, "/healthz") == "ok\n"
        assert 'crmhost_backup_due_timestamp_seconds{contract="acme"}' in page(address, "/metrics")
        assert "crmhost_backup_last_success_timestamp_seconds{" not in page(address, "/metrics")
    finally:
        end(serve)
    assert serve.returncode == 0, log.read_text()
    assert "a backup failed; it is tried again" in log.read_text()
    assert "/nowhere/docker.sock" in log.read_text()
