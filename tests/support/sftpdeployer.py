"""A deploy over SFTP in a process of its own, killed at something that it tells: ADDRESS KEYS ARCHIVES VERSION NUMBER.

What it tells are the phases of the sequence and the lines of the host's journal, each after it was written.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import cast

from docker.models.containers import Container

from crm.plan import Event
from crmhost import deploy
from crmhost.public import check
from crmhost.sequence import Means
from tests.support.memo.recipe import Archives, memo_want
from tests.support.sftphost import SftpHost

NOBODY = cast(Container, None)
"""This process knows the host by its own doors alone."""


class Killer:
    """Ends this process at the so-manieth event."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, event: Event) -> None:
        """Count an event."""
        print(event.phase, event.subject, event.state, file=sys.stderr, flush=True)  # noqa: T201 -- for the test's table
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main(address: str, keys: str, folder: str, version: str, number: str) -> None:
    """Deploy until the event."""
    host, killer = SftpHost(NOBODY, address, Path(keys)), Killer(int(number))
    with host.driver(Archives(Path(folder)), killer) as driver:
        means = Means(killer, lambda want: check(want, host.door, patience=3.0))
        deploy.deploy(driver, memo_want(version), means, confirm=lambda _: True)


if __name__ == "__main__":
    main(*sys.argv[1:])
