"""Visitors of a site on a host with SFTP alone, who ask without a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.sftphost import SftpHost


@contextmanager
def asked(host: SftpHost, visitors: int = 3) -> Iterator[list[tuple[float, int, str]]]:
    """Ask for the first page while the block runs, and give when each request began, its status and its text."""
    answers: list[tuple[float, int, str]] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            begun = time.monotonic()
            seen = host.site.get("/index.php")
            answers.append((begun, seen.status, seen.text))

    threads = [threading.Thread(target=ask) for _ in range(visitors)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
