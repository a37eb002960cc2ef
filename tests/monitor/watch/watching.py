"""A monitor in a process of its own, for tests that kill it: python watching.py DATABASE URL AUTHORITIES."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import structlog

from contract.model import Monitor
from monitor.clock import SystemClock
from monitor.post import Watched
from monitor.store.database import migrate, open_database
from monitor.store.lock import only_monitor
from monitor.watch import Options, Watch


def main(database: Path, url: str, ca_file: Path) -> None:
    """Watch until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with only_monitor(database):
        engine = open_database(database)
        migrate(engine)
        terms = Monitor(interval="100 ms", timeout="1 s", confirm=2, path="/")
        log = structlog.get_logger()
        options = Options(ca_file=ca_file, beat=300_000)
        watch = Watch([Watched("acme", url, terms)], engine, SystemClock(), log, options)
        watch.start()
        sys.stdout.write("watching\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM})
        watch.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
