"""A command on a pseudo-terminal: what it shows, and what a person types."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.until import until

ROOT = Path(__file__).parents[2]


class Terminal:
    """crmhost, run in a fleet's folder. shown: all that came so far."""

    def __init__(self, fleet: Path, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        self.shown = ""
        self._ours = ours
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crmhost", *arguments],
            cwd=fleet,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Read until it is shown."""
        until(lambda: self._read() and text in self.shown, f"{text!r} is shown", seconds)

    def type(self, text: str) -> None:
        """Type it."""
        os.write(self._ours, text.encode())

    def end(self, seconds: float = 60) -> int:
        """Read to the end and return the exit code."""
        until(lambda: self._read() and self.process.poll() is not None, "it ends", seconds)
        os.close(self._ours)
        return self.process.returncode

    def _read(self) -> bool:
        if select.select([self._ours], [], [], 0)[0]:
            with suppress(OSError):  # the other end is closed
                self.shown += os.read(self._ours, 65536).decode("utf-8", "replace")
        return True
