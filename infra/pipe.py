"""A pipe with a thread at its writing end: what one side pushes the other side pulls, and nothing is kept between."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Generic, TypeVar

Result = TypeVar("Result")
PIECE = 1 << 20
"""Bytes that are moved at once."""


class Pipe(Generic[Result]):
    """The reading end, and what the writing function returned once the pipe has been left."""

    def __init__(self, write: Callable[[BinaryIO], Result]) -> None:
        reading, writing = os.pipe()
        self.reader: BinaryIO = os.fdopen(reading, "rb", buffering=PIECE)
        self._results: list[Result] = []
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(write, writing), name="pipe", daemon=True)
        self._thread.start()

    @property
    def result(self) -> Result:
        """Return what the writing function returned; there once the pipe was left without an error."""
        return self._results[0]

    def drain(self) -> None:
        """Read to the end, so that the writer is not cut off in what it says last."""
        while self.reader.read(PIECE):
            pass

    def close(self) -> BaseException | None:
        """Wait for the writer, cut off where it still writes; return why it failed, unless that is the cut alone."""
        self.reader.close()
        self._thread.join()
        return next((one for one in self._failures if not isinstance(one, BrokenPipeError)), None)

    def _run(self, write: Callable[[BinaryIO], Result], descriptor: int) -> None:
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as raw, io.BufferedWriter(raw, PIECE) as writer:
                self._results.append(write(writer))
        except BaseException as failure:  # noqa: BLE001 -- handed over to the thread that reads
            self._failures.append(failure)


@contextmanager
def piped(write: Callable[[BinaryIO], Result]) -> Iterator[Pipe[Result]]:
    """Run `write` in a thread, with the writing end of a pipe whose reading end is given.

    Left without an error, the writer has ended, and what it raised is raised. Left with one, the writer is cut off,
    and where it had failed by itself its error is raised instead: that is why the reader met an early end.
    """
    pipe = Pipe(write)
    try:
        yield pipe
        pipe.drain()
    except Exception as failure:
        cause = pipe.close()
        if cause is None:
            raise
        raise cause from failure
    except BaseException:
        pipe.close()
        raise
    cause = pipe.close()
    if cause is not None:
        raise cause


class Chunks(io.RawIOBase):
    """A stream to read from what yields its pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._held = memoryview(b"")

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed has a private type here
        """Fill the buffer as far as one piece goes; 0 at the end."""
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._held = memoryview(piece)
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size
