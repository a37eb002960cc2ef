"""A thread that writes what a vantage learns, so that no disk ever holds up a probe.

Batches that pile up while one is written become one transaction. A write that fails is logged and tried again until it
succeeds; nothing is dropped, and what waits is lost only with the process, when it is unknown and no worse.
"""

from __future__ import annotations

import queue
import threading
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from monitor.store.database import writing
from monitor.store.spans import Batch, write

RETRY_SECONDS = 1.0

LINGER_SECONDS = 0.05
"""How long a batch waits for others: when a thousand services fall at once, that is twenty commits a second."""


class Log(Protocol):
    """What is needed of a structured logger."""

    def warning(self, event: str, **values: object) -> object:
        """Say that something is not as it should be."""
        ...


class Writer:
    """Writes batches in the order in which they were put. `failures` counts the writes that failed."""

    def __init__(self, engine: Engine, log: Log) -> None:
        self._engine = engine
        self._log = log
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crmhost-writer")
        self.failures = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Hand over a batch; returns at once."""
        self._queue.put(batch)

    def close(self) -> None:
        """Write what was put, and end. What cannot be written even now is given up, and logged."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._next()
            while batch is not None and not self._write(batch):
                if self._closing.is_set():
                    self._log.warning("spans were not written", rows=len(batch.rows))
                    return
                self._closing.wait(RETRY_SECONDS)

    def _next(self) -> tuple[Batch | None, bool]:
        """Wait for a batch and join to it all that wait; the second value is whether more will come."""
        batch = self._queue.get()
        if batch is not None:
            self._closing.wait(LINGER_SECONDS)
        joined: Batch | None = batch
        while batch is not None and not self._queue.empty():
            batch = self._queue.get()
            if batch is not None and joined is not None:
                joined = joined.then(batch)
        return joined, batch is not None

    def _write(self, batch: Batch) -> bool:
        try:
            with writing(self._engine, "full" if batch.rows else "process") as connection:
                write(connection, batch)
        except SQLAlchemyError as error:
            self.failures += 1
            self._log.warning("spans could not be written; trying again", error=str(getattr(error, "orig", error)))
            return False
        return True
