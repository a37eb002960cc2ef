"""The `pulumi` program with an end: what takes too long is interrupted, saves its state, and is killed at last."""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import IO

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from crm.errors import HostError

OLDEST = VersionInfo(3, 206)
"""The first that sends its events over a connection, which loses none when it ends."""
_SAVING = 90.0
"""Seconds that an interrupted run has to finish what the host is doing and to save its state."""


class Bounded(PulumiCommand):
    """One `pulumi`, each of whose runs ends within `timeout` seconds; raises HostError for one that had to be ended.

    The environment is `environment` and what the workspace adds, not this process's; runs have a process group of
    their own, so that a Ctrl-C reaches them through us and they save their state.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], timeout: float = 3600.0) -> None:
        self.command = str(folder / "pulumi")
        self.version = _checked(self.command, _version(self.command))
        self.timeout = timeout
        self._environment = environment

    def within(self, timeout: float) -> Bounded:
        """Return the same program with another patience."""
        other = copy.copy(self)
        other.timeout = timeout
        return other

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], object] | None = None,
        on_error: Callable[[str], object] | None = None,
    ) -> CommandResult:
        """Run to the end; raises the Automation API's CommandErrors."""
        argv = [self.command, "--non-interactive", *args]
        environment = {**self._environment, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        folder = str(Path(self.command).parent)
        environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", os.defpath)])
        with subprocess.Popen(  # noqa: S603 -- the program that was found, with our own arguments
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            printed, complained = _Reader(process.stdout, on_output), _Reader(process.stderr, on_error)
            try:
                process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                _end(process)
                raise HostError(
                    f"pulumi {args[0]} did not end within {self.timeout:.0f} seconds and was interrupted",
                    "Look whether the host is overloaded or hangs; the same command again goes on where it stopped.",
                ) from None
            except BaseException:
                _end(process)
                raise
            result = CommandResult(printed.text(), complained.text(), process.returncode)
        if result.code != 0:
            raise create_command_error(result)
        return result


class _Reader(threading.Thread):
    """Reads one of a program's outputs while it runs."""

    def __init__(self, stream: IO[str] | None, told: Callable[[str], object] | None) -> None:
        super().__init__(daemon=True)
        self._stream, self._told, self._lines = stream, told, list[str]()
        self.start()

    def run(self) -> None:
        for line in self._stream or ():
            self._lines.append(line.rstrip())
            if self._told is not None:
                self._told(self._lines[-1])

    def text(self) -> str:
        self.join(10)  # a provider that was left behind may hold the other end open
        return "\n".join(self._lines)


def _end(process: subprocess.Popen[str]) -> None:
    """Let a run save its state; what does not even do that is killed, with the provider that it started."""
    process.send_signal(signal.SIGINT)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_SAVING)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _checked(program: str, said: str) -> VersionInfo:
    """Return the version; raises HostError for one that cannot run programs of this process."""
    try:
        version = VersionInfo.parse(said)
    except ValueError:
        version = VersionInfo(0)
    if version < OLDEST or version.major > OLDEST.major:
        raise HostError(
            f"{program}: is version {said or '(none)'}; crmhost needs {OLDEST} or newer, below {OLDEST.major + 1}",
            "crmhost doctor says how to get a Pulumi that suits.",
        )
    return version


@cache
def _version(program: str) -> str:
    """Return what the program says that it is: asked once in a process, since that alone costs a fifth of a second."""
    try:
        asked = subprocess.run(  # noqa: S603
            [program, "version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise HostError(
            f"{program}: cannot be run ({type(error).__name__})", "crmhost doctor says how to get Pulumi."
        ) from error
    return asked.stdout.strip().removeprefix("v")
