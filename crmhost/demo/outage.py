"""What really happened to a site, seen by a poll of every 10 ms: the yardstick that the monitor is held against."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Self

PAUSE = 0.01
"""Seconds between two polls."""


@dataclass(frozen=True, slots=True)
class Outage:
    """From the start of the first poll that failed to the end of the first that succeeded again, in seconds."""

    seconds: float
    polls: int


class Poll:
    """Asks one URL again and again, in a thread of its own, until it has seen an outage begin and end."""

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._url = url
        self._timeout = timeout
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._outage: Outage | None = None
        self._thread = threading.Thread(target=self._watch, name="poll", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait(self, seconds: float) -> Outage | None:
        """Wait for the outage to end, `seconds` at the most, and return it, or None while there is none."""
        self._ended.wait(seconds)
        return self._outage

    def _watch(self) -> None:
        began: float | None = None
        polls = 0
        while not self._stop.is_set():
            start = time.monotonic()
            good = self._answers()
            polls += 1
            if not good and began is None:
                began = start
            if good and began is not None:
                self._outage = Outage(time.monotonic() - began, polls)
                self._ended.set()
                return
            self._stop.wait(max(0.0, PAUSE - (time.monotonic() - start)))

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._url, timeout=self._timeout) as answer:  # noqa: S310 -- the demo's own URL
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False
