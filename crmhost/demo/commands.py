"""Running crmhost's own commands as a hosting engineer would: as processes, in a fleet's folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm.errors import CrmhostError

STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Commands:
    """The command line in one fleet. `environment` replaces the process's own."""

    fleet: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str, given: str = "", codes: Sequence[int] = (0,)) -> str:
        """Run one command to its end and return what it printed; raises CrmhostError when it ends otherwise."""
        process = None
        try:
            with ctrl_c_waits():
                process = self._start(arguments, subprocess.PIPE, subprocess.PIPE, subprocess.PIPE)
            output, errors = process.communicate(given)
        except BaseException:
            _end(process)
            raise
        if process.returncode not in codes:
            raise _failed(arguments, process.returncode, errors or output)
        return output

    def ask(self, *arguments: str) -> list[dict[str, Any]]:
        """Run one command with --json and return its lines."""
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]

    def follow(self, *arguments: str, on_line: Callable[[dict[str, Any]], None]) -> None:
        """Run one command with --json and hand over each line as it comes; raises CrmhostError when it fails."""
        process = None
        try:
            with ctrl_c_waits():
                process = self._start((*arguments, "--json"), subprocess.PIPE, subprocess.PIPE)
            for line in process.stdout or ():
                on_line(json.loads(line))
            _, errors = process.communicate()
        except BaseException:
            _end(process)
            raise
        if process.returncode != 0:
            raise _failed(arguments, process.returncode, errors)

    def start(self, *arguments: str, log: Path) -> subprocess.Popen[str]:
        """Start a command that goes on, its output in `log` (mode 0600)."""
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return self._start(arguments, descriptor, descriptor)
        finally:
            os.close(descriptor)

    def _start(
        self, arguments: Sequence[str], out: int, err: int, given: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 -- our own program, no shell
            self._argv(arguments),
            cwd=self.fleet,
            env=dict(self.environment),
            stdin=given,
            stdout=out,
            stderr=err,
            text=True,
        )

    def _argv(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "crmhost", *arguments]


def end(process: subprocess.Popen[str]) -> None:
    """Ask a process to end, and end it after 15 seconds."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Let a Ctrl-C take effect after the body: a process that is being started must be known before it is ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _end(process: subprocess.Popen[str] | None) -> None:
    if process is not None:
        with process:
            end(process)


def _failed(arguments: Sequence[str], code: int, output: str) -> CrmhostError:
    tail = "\n".join(f"  {line}" for line in output.strip().splitlines()[-12:])
    return CrmhostError(f"`crmhost {' '.join(arguments)}` ended with exit code {code}:\n{tail}")
