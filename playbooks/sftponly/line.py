"""An upload under way in a thread of its own, so that the host already unpacks what has arrived."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from playbooks.sftponly.sftp import Files

AHEAD = 16 << 20
"""Bytes that are sent at most while whoever watches over it, and over the lock, does not say to go on."""


class Line:
    """One file that is being sent. A context manager, that stops the upload where it is left before the end."""

    def __init__(self, files: Files, source: Iterable[bytes], path: str, at: int) -> None:
        """Get ready to write the source behind the first `at` bytes of a file, over a channel that is used up."""
        self._files = files
        self._upload = files.upload(source, path, at)
        self._sent = at
        self._allowed = at
        self._over = self._stopped = False
        self._met: BaseException | None = None
        self._turn = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._turn:
            self._stopped = not self._over
            self._turn.notify_all()
        self._files.close()
        self._thread.join()

    def reach(self, size: int) -> tuple[int, bool]:
        """Wait until the file has so many bytes or all; return how many it has, and whether that is all.

        Raises what the upload met.
        """
        with self._turn:
            self._allowed = max(self._sent, size) + AHEAD
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._over or self._sent >= size)
            if self._met is not None:
                raise self._met
            return self._sent, self._over

    def _run(self) -> None:
        try:
            for sent in self._upload:
                with self._turn:
                    self._sent = sent
                    self._turn.notify_all()
                    self._turn.wait_for(lambda: self._stopped or self._sent <= self._allowed)
                    if self._stopped:
                        return
        except BaseException as error:  # noqa: BLE001 -- whoever watches raises it
            self._met = error
        finally:
            with self._turn:
                self._over = True
                self._turn.notify_all()
