"""What a probe costs: the whole monitor beside blackbox_exporter, at the same pace, against the same nginx.

333 probes a second are 10,000 contracts every 30 s, or 1,000 every 3 s; over TLS a third of that, which leaves nginx
its share of two cores. CPU is user + system of the prober's process alone; compare the rows of one run, not runs. Needs
Debian's nginx-light (or nginx) and prometheus-blackbox-exporter; without the latter the ratio is left out.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import show
from contract.model import Monitor
from crmhost.sandbox.ports import free_port
from monitor.accounts import Accounts
from monitor.clock import SystemClock
from monitor.metrics import Exposition
from monitor.post import Watched
from monitor.probe.client import Client
from monitor.probe.result import Outcome, Request
from monitor.running import RunningPeriods
from monitor.store.database import migrate, open_database
from monitor.watch import Options, Watch
from tests.support.certificates import make_authority

SECONDS = 5
OFTEN = 3
FLEETS = {"http": 1_000, "https": 333}
"""So many contracts are probed every `OFTEN` seconds; all of them have been probed once after that time."""

MANY, SELDOM = 10_000, 10
"""For memory and `/metrics`: the size of a large fleet, probed three times as often to be done sooner."""
WORD = "the login page"


class Loud:
    """A log that interrupts: a benchmark with troubles measures nothing."""

    def warning(self, event: str, **values: object) -> None:
        """Show a trouble."""
        print(event, values, file=sys.stderr)


@dataclass(frozen=True)
class Site:
    """What is probed: nginx with one page, and the authority to trust."""

    http: int
    https: int
    ca_file: Path

    def url(self, scheme: str) -> str:
        """Return the URL of its root."""
        return f"{scheme}://127.0.0.1:{self.http if scheme == 'http' else self.https}"


@contextmanager
def watching(url: str, ca_file: Path, database: Path, fleet: tuple[int, int]) -> Iterator[tuple[Watch, Exposition]]:
    """Run the monitor in this process, from when every contract has been probed once."""
    engine = open_database(database)
    migrate(engine)
    contracts, interval = fleet
    terms = Monitor.model_validate(
        {"interval": f"{interval} s", "timeout": "3 s", "path": "/", "expect": {"status": 200, "body": WORD}}
    )
    watched = [Watched(f"contract-{number}", url, terms) for number in range(contracts)]
    clock = SystemClock()
    watch = Watch(watched, engine, clock, Loud(), Options(ca_file=ca_file))
    watch.start()
    try:
        time.sleep(interval + 1)  # every contract has been asked once: what is measured is the usual state
        yield watch, Exposition(Accounts(watch, engine, clock, RunningPeriods(engine, clock, ())))
    finally:
        watch.stop()


def cost(url: str, ca_file: Path, database: Path) -> dict[str, float]:
    """Measure what a probe costs, and how long it takes, without and with a scrape a second."""
    with watching(url, ca_file, database, (FLEETS[url.partition(":")[0]], OFTEN)) as (watch, exposition):
        done, cpu, quiet_from = _probes(watch), time.process_time(), time.time_ns() // 1000
        time.sleep(SECONDS)  # the span that is measured
        done, cpu, quiet_to = _probes(watch) - done, time.process_time() - cpu, time.time_ns() // 1000
        quiet = _lasts(watch, quiet_from, quiet_to)
        for _ in range(OFTEN):
            exposition.render()
            time.sleep(1)  # a scrape a second
        scraped = _lasts(watch, quiet_to, quiet_to << 1)
    return {
        "cpu_ms": 1000 * cpu / done,
        "rate": done / SECONDS,
        "failed": sum(not last.ok for last in quiet + scraped),
        "p99_ms": _p99(quiet),
        "p99_scraped_ms": _p99(scraped),
    }


def size(url: str, ca_file: Path, database: Path) -> dict[str, float]:
    """Measure the memory of a large fleet, and what a scrape of it costs."""
    with watching(url, ca_file, database, (MANY, SELDOM)) as (_, exposition):
        rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        taken = []
        for _ in range(3):
            begun = time.thread_time()
            page = exposition.render()
            packed = gzip.compress(page, 1)
            taken.append(time.thread_time() - begun)
    return {
        "rss_mb": rss / 1e6,
        "render_ms": 1000 * statistics.median(taken),
        "series": page.count(b"\n") - page.count(b"\n#") - 1,
        "packed_kb": len(packed) / 1000,
    }


def _lasts(watch: Watch, start: int, end: int) -> list[Outcome]:
    lasts = (seen.last for seen in watch.seen())
    return [last for last in lasts if last is not None and start <= last.at_start < end]


def _probes(watch: Watch) -> int:
    return sum(seen.probes for seen in watch.seen())


def _p99(outcomes: list[Outcome]) -> float:
    return statistics.quantiles([outcome.phases.total / 1000 for outcome in outcomes], n=100)[98]


@contextmanager
def nginx(folder: Path) -> Iterator[Site]:
    """Serve a 4 KB page over HTTP and HTTPS."""
    authority = make_authority(folder)
    authority.server("127.0.0.1")
    (certificate,) = folder.glob("server-*.pem")
    (folder / "index.html").write_text(f"<html>{'x' * 4000}{WORD}</html>")
    site = Site(free_port(), free_port(), authority.file)
    config = folder / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; ssl_session_cache off; ssl_session_tickets off;
  server {{
    listen 127.0.0.1:{site.http} backlog=1024; listen 127.0.0.1:{site.https} ssl backlog=1024; root {folder};
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
  }}
}}
""")
    folder.chmod(0o755)
    if os.getuid() == 0:
        config.write_text(f"user root;\n{config.read_text()}")
    with running([found("nginx"), "-c", str(config), "-p", str(folder)], site.http):
        yield site


@contextmanager
def blackbox(folder: Path, site: Site) -> Iterator[tuple[int, int]]:
    """Run blackbox_exporter with a module that does what our probe does; gives its port and process id."""
    config = folder / "blackbox.json"
    http = {
        "fail_if_body_not_matches_regexp": [WORD],
        "preferred_ip_protocol": "ip4",
        "tls_config": {"ca_file": str(site.ca_file)},
    }
    config.write_text(json.dumps({"modules": {"page": {"prober": "http", "timeout": "9s", "http": http}}}))
    port = free_port()
    listen = f"--web.listen-address=127.0.0.1:{port}"
    command = [found("prometheus-blackbox-exporter"), f"--config.file={config}", listen, "--log.level=error"]
    with running(command, port) as pid:
        yield port, pid


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """Run a server until the end of the block; begins when it listens."""
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + 10
            while socket.socket().connect_ex(("127.0.0.1", port)):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"{command[0]} does not listen")
                time.sleep(0.02)  # between two attempts to connect
            yield process.pid
        finally:
            process.terminate()


def found(program: str) -> str:
    """Find a server's program, also where only root has it in the path."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError(f"{program} is missing")
    return path


def drive(port: int, pid: int, target: str, pace: int) -> tuple[float, float]:
    """Ask blackbox for probes at our pace; return its CPU milliseconds a probe, and how many a second it made."""
    good = done = sent = 0
    with Client(SystemClock(), None) as client:
        begun, cpu = time.monotonic(), cpu_of(pid)
        while (now := time.monotonic()) < begun + SECONDS or len(client):
            while sent < pace * SECONDS and now >= begun + sent / pace:
                url = f"http://127.0.0.1:{port}/probe?module=page&target={target}/%3F{sent}"
                client.start(Request(str(sent), url, 10_000_000, body="probe_success 1"))
                sent += 1
            for outcome in client.wait(3_000):
                done, good = done + 1, good + outcome.ok
        took = time.monotonic() - begun
    if good < done:
        print(f"blackbox: {done - good} of {done} probes failed", file=sys.stderr)
    return 1000 * (cpu_of(pid) - cpu) / done, done / took


def cpu_of(pid: int) -> float:
    """Read the CPU seconds that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(what: str, scheme: str, site: Site, folder: Path) -> dict[str, Any]:
    """Run the monitor in a process of its own."""
    database = folder / f"{what}-{scheme}.db"
    command = [sys.executable, "-m", "benchmarks.bench_probe", what, site.url(scheme), str(site.ca_file), str(database)]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def main() -> None:
    """Measure, and print the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name, nginx(Path(name)) as site:
        folder = Path(name)
        for scheme, bar in (("http", "<= 0.35 x"), ("https", "<= 0.75 x")):
            ours = measured("cost", scheme, site, folder)
            beside = "blackbox_exporter is missing"
            if shutil.which("prometheus-blackbox-exporter"):
                with blackbox(folder, site) as (port, pid):
                    cpu, rate = drive(port, pid, site.url(scheme), FLEETS[scheme] // OFTEN)
                beside = f"blackbox {cpu:.2f} ms at {rate:.0f}/s: {ours['cpu_ms'] / cpu:.2f} x"
            what = f"CPU a probe, {scheme}, {ours['rate']:.0f}/s, {ours['failed']:.0f} failed"
            rows.append((what, f"{ours['cpu_ms']:.2f} ms", beside, bar))
            scraped = f"{ours['p99_scraped_ms']:.1f} ms while scraped"
            rows.append((f"p99 of a probe, {scheme}", f"{ours['p99_ms']:.1f} ms", scraped, "<= 5 ms more"))
        large = measured("size", "http", site, folder)
    rows.append((f"RSS, {MANY} contracts over http", f"{large['rss_mb']:.0f} MB", "", "<= 80 MB"))
    series = f"{large['series']:.0f} series, {large['packed_kb']:.0f} kB"
    rows.append((f"/metrics with gzip, {MANY} contracts", f"{large['render_ms']:.0f} ms", series, ""))
    share = large["render_ms"] * 60_000 / large["series"]
    rows.append(("the same, of 60,000 series", f"{share:.0f} ms", "", "<= 40 ms"))
    show(rows)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        print(json.dumps({"cost": cost, "size": size}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))))
    else:
        main()
