"""An operation over SFTP in a process of its own, killed at something that it tells: ADDRESS KEYS ARCHIVES VERB VERSION
NUMBER SECONDS.

What it tells are the phases of the sequence and the lines of the host's journal, each after it was written.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Literal, TypeAlias, cast

from docker.models.containers import Container

from crm.driver import Progress
from crm.plan import Event
from crmhost import deploy
from crmhost.backup.take import restore, take
from crmhost.public import check
from crmhost.sequence import Means
from tests.support.backups import open_backups
from tests.support.memo.recipe import Archives, memo_want
from tests.support.sftphost import SftpHost

Verb: TypeAlias = Literal["deploy", "rollback", "restore", "back up", "destroy"]
NOBODY = cast(Container, None)
"""This process knows the host by its own doors alone."""


class Killer:
    """Ends this process some seconds after the so-manieth event."""

    def __init__(self, number: int, late: float) -> None:
        self._left = number
        self._late = late

    def __call__(self, event: Event) -> None:
        """Count an event."""
        print(event.phase, event.subject, event.state, file=sys.stderr, flush=True)  # noqa: T201 -- for the test's table
        self._left -= 1
        if self._left == 0 and not self._late:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._left == 0:
            threading.Timer(self._late, os.kill, (os.getpid(), signal.SIGKILL)).start()


def do(host: SftpHost, archives: Archives, verb: Verb, version: str, progress: Progress = lambda _: None) -> str:
    """Do it, and return what was done. Backups lie beside the archives; `restore` takes the oldest."""
    shelf = open_backups(archives.folder, "acme")
    means = Means(progress, lambda want: check(want, host.door, patience=3.0), lambda: shelf, sure=lambda _: True)
    with host.driver(archives, progress) as driver:
        want = memo_want(version)
        match verb:
            case "deploy":
                return deploy.deploy(driver, want, means, confirm=lambda _: True).did
            case "rollback":
                return deploy.rollback(driver, want, None, means).did
            case "restore":
                return restore(driver, want, shelf, shelf.list()[-1], means, keep=True).did
            case "back up":
                return take(driver, want, shelf, "asked", means).id
            case "destroy":
                deploy.destroy(driver, want, deploy.Destroy(backup=False), means)
                return "removed"


def main(where: tuple[str, str, str], verb: str, version: str, number: str, late: str) -> None:
    """Do it until the event."""
    address, keys, folder = where
    host, killer = SftpHost(NOBODY, address, Path(keys)), Killer(int(number), float(late))
    do(host, Archives(Path(folder)), cast(Verb, verb), version, killer)
    os._exit(0)  # it was through before its time


if __name__ == "__main__":
    main((sys.argv[1], sys.argv[2], sys.argv[3]), *sys.argv[4:])
