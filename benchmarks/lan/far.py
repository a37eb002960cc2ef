"""How many round trips a plan with nothing to do waits for, once it is connected."""

from __future__ import annotations

import shutil
import statistics
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from benchmarks.lan.delay import Line, delayed
from benchmarks.lan.place import Company
from crm.plan import Want
from crmhost import deploy
from playbooks.become import Become, no_password
from playbooks.connect import Address, Stop, connect_through
from playbooks.keys import Ring
from playbooks.lan.driver import LanDriver
from playbooks.lan.server import Setup
from tests.support.lanhost import LanHost


@dataclass(frozen=True, slots=True)
class Far:
    """What was measured: seconds to connect and log in, and then to plan; and how often each waited for an answer."""

    connect: float
    plan: float
    shaken: float
    trips: float


def measured(company: Company, host: LanHost, want: Want, setup: Setup, *, round_trip: float, rounds: int) -> Far:
    """Return the medians over so many rounds at a round trip of so many seconds; raises where something is to do."""
    with delayed(host.address, 22, round_trip) as line:
        known = company.folder / f"known-{line.here}"
        known.write_text(f"[127.0.0.1]:{line.here} {host.public}\n")
        stop = Stop.only(Address("deploy", "127.0.0.1", line.here), company.key)
        found = [_once(line, stop, known, want, setup) for _ in range(rounds + 1)]
    return Far(*(statistics.median(values) for values in zip(*(astuple(f) for f in found[1:]), strict=True)))


def _once(line: Line, stop: Stop, known: Path, want: Want, setup: Setup) -> Far:
    begun, first = time.perf_counter(), line.answers
    become = Become(no_password)
    with connect_through((stop,), known, ring=Ring(), accept=lambda _, __: False, become=become) as reached:
        connected, then = time.perf_counter(), line.answers
        driver = LanDriver(reached, want.contract, setup, who="benchmark", progress=lambda _: None)
        plan = deploy.plan(driver, want)
        ended, last = time.perf_counter(), line.answers
    if plan.changes:
        raise RuntimeError(f"something is to do: {[change.resource for change in plan.changes]}")
    return Far(connected - begun, ended - connected, then - first, last - then)


def twin(company: Company, name: str, host: LanHost, port: int) -> Path:
    """Return a fleet with this one contract, whose server is reached at a loopback port; its secrets are the same."""
    fleet = company.folder / "far"
    shutil.rmtree(fleet, ignore_errors=True)
    shutil.copytree(company.fleet, fleet, ignore=shutil.ignore_patterns(".crmhost", "contracts"))
    (fleet / "contracts").mkdir()
    text = (company.fleet / "contracts" / f"{name}.yaml").read_text()
    (fleet / "contracts" / f"{name}.yaml").write_text(text.replace(f"host: {host.address},", "host: far.lan,"))
    (fleet / "ssh_config").write_text(f"Host far.lan\n  HostName 127.0.0.1\n  Port {port}\n")
    with (fleet / "known_hosts").open("a") as known:
        known.write(f"[127.0.0.1]:{port} {host.public}\n")
    return fleet
