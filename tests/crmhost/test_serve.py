"""`crmhost serve` as a process: killed and started again, it settles nothing twice and invents nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from crmhost.demo.commands import Commands, end
from crmhost.sandbox.ports import free_port
from monitor.evidence import read
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CYCLE = 6


class Site(BaseHTTPRequestHandler):
    """A service that is always well."""

    def do_GET(self) -> None:
        body = b"well"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the inherited name
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def commands(tmp_path: Path, site: str) -> Commands:
    """A fleet whose one contract measures the site in cycles of a few seconds, from now on."""
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CRMHOST_")}
    commands = Commands(fleet, {**kept, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")})
    commands.run("init", "--set", f"serve.listen=127.0.0.1:{free_port()}", "--set", "serve.grace=1 s")
    begins = (datetime.now(UTC) + timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    sets = (
        *(f"crm.url={site}", "monitor.path=/", "monitor.interval=200 ms", "monitor.timeout=200 ms"),
        *(f"term.signed={begins[:10]}", f"term.accepted={begins}"),
        *(f"sla.period.every={CYCLE} s", f"sla.period.from={begins}", "sla.minimum-coverage=1 %"),
    )
    commands.run("init", "acme", "--target", "saas", *(word for one in sets for word in ("--set", one)))
    return commands


def settled(commands: Commands) -> list[tuple[Any, ...]]:
    """What the ledger has, by SQL: settlements and credits."""
    import sqlite3

    with closing(sqlite3.connect(f"file:{commands.fleet}/.crmhost/crmhost.sqlite3?mode=ro", uri=True)) as store:
        return list(store.execute("SELECT period, revision, figures FROM settlements ORDER BY period"))


def listening(commands: Commands) -> bool:
    text = (commands.fleet / "crmhost.yaml").read_text()
    address = next(line.split(": ")[1] for line in text.splitlines() if line.strip().startswith("listen:"))
    try:
        with urllib.request.urlopen(f"http://{address.strip(chr(34))}/healthz", timeout=1) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def test_killed_and_restarted_it_settles_each_period_once_and_its_gap_is_unknown(
    commands: Commands, tmp_path: Path
) -> None:
    log = tmp_path / "serve.log"
    for pause in (5.3, 4.1, 6.7):
        serve = commands.start("serve", log=log)
        until(lambda: listening(commands), f"serve does not listen: {log.read_text()}", 30)
        time.sleep(pause)  # the moment of the kill is arbitrary by intent
        serve.kill()
        serve.wait()
    serve = commands.start("serve", log=log)
    try:
        until(lambda: listening(commands), f"serve does not listen: {log.read_text()}", 30)
        until(lambda: len(settled(commands)) >= 3, "three settled periods", 60)
    finally:
        end(serve)
    assert serve.returncode == 0, log.read_text()
    rows = settled(commands)
    assert len({period for period, _, _ in rows}) == len(rows)
    assert {revision for _, revision, _ in rows} == {1}
    figures = [json.loads(text) for _, _, text in rows]
    assert all(one["down_us"] == 0 and one["credit"] is None for one in figures)
    assert any(one["unknown_us"] > 0 for one in figures), "the time that it did not run is unknown"
    period = rows[0][0]
    (tmp_path / "evidence.jsonl").write_text(commands.run("evidence", "acme", "--period", period))
    assert {span.state for span in read(tmp_path / "evidence.jsonl").spans} == {"up"}
    again = commands.run(
        *("sla", "contracts/acme.yaml", str(tmp_path / "evidence.jsonl"), "--period", period, "--json")
    )
    assert json.loads(again)["base_us"] == figures[0]["base_us"]


def test_a_second_monitor_on_one_store_is_refused_and_a_signal_ends_it_cleanly(
    commands: Commands, tmp_path: Path
) -> None:
    log = tmp_path / "serve.log"
    serve = commands.start("serve", log=log)
    try:
        until(lambda: listening(commands), f"serve does not listen: {log.read_text()}", 30)
        second = subprocess.run(
            [sys.executable, "-m", "crmhost", "serve", "--listen", f"127.0.0.1:{free_port()}"],
            cwd=commands.fleet,
            env=dict(commands.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert f'"pid": {serve.pid}' in second.stderr or str(serve.pid) in second.stderr
    finally:
        serve.send_signal(signal.SIGINT)
        serve.wait(20)
    assert serve.returncode == 0
    assert "Traceback" not in log.read_text()
