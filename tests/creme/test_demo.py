"""The whole story, told by the command that a newcomer types."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from math import ceil
from pathlib import Path

import psutil
import pytest

from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.creme, pytest.mark.timeout(900)]
DEMO = (sys.executable, "-m", "crmhost", "demo")


def left_of(folder: str) -> list[str]:
    """The command lines of processes that still have to do with a demo's folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "cwd"]):
        told = " ".join(process.info["cmdline"] or []) + str(process.info["cwd"]) + str(process.info["environ"] or {})
        if folder in told:
            found.append(" ".join(process.info["cmdline"] or []))
    return found


@pytest.mark.alone
def test_the_demo_measures_what_it_caused_and_pays_it_back(surroundings: dict[str, str]) -> None:
    run = subprocess.run([*DEMO, "--json"], env=surroundings, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    ending = json.loads(run.stdout.splitlines()[-1])
    assert ending["version"] == 1
    assert ending["crm_login"] is True
    caused, measured = ending["outage_caused_seconds"], ending["outage_measured_seconds"]
    assert caused >= 5
    assert abs(measured - caused) <= 1 + 1, "one interval, and one response at its time-out"
    assert ending["credit_seconds"] == ceil(3 * round(measured * 1_000_000) / 1_000_000)
    assert ending["delivered"] is True
    assert ending["receipt"] == "R-000001"
    assert ending["statement_verified"] is True
    fleet = next(word for word in run.stderr.split() if word.startswith("/") and word.endswith("/fleet"))
    assert (Path(fleet) / "contracts/demo.yaml").exists()
    assert left_of(str(Path(fleet).parent)) == []


@pytest.mark.parametrize("mark", ["Deploy Creme", "steps    media", "the monitor starts", "Kill the CRM"])
def test_ctrl_c_leaves_no_process_and_says_what_is_left(surroundings: dict[str, str], mark: str) -> None:
    with subprocess.Popen(
        list(DEMO), env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        lines: list[str] = []
        seen = threading.Event()

        def read() -> None:
            for line in process.stdout or ():
                lines.append(line)
                if mark in line:
                    seen.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert seen.wait(600), "".join(lines)
        process.send_signal(signal.SIGINT)
        process.wait(60)
        reader.join()
        errors = process.stderr.read() if process.stderr else ""
    told = "".join(lines)
    assert process.returncode == 130, told + errors
    assert "Traceback" not in told + errors
    assert "every process has ended; left: nothing" in told
    folder = next(word for word in told.split() if "/crmhost-demo-" in word).split("/fleet/")[0]
    assert not Path(folder).exists()
    until(lambda: not left_of(folder), f"processes are left: {left_of(folder)}")
