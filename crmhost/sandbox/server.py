"""The SSH server of a sandbox: what it does with a command and with files. It behaves as OpenSSH's does.

A program whose client is gone is not ended: it finds the end of its input, as under sshd.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import asyncssh

Process: TypeAlias = asyncssh.SSHServerProcess[bytes]
Watch: TypeAlias = Callable[[bytes, int], None]
"""Called with each piece that a program prints and the program's process id, before the client gets it."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What may go wrong on purpose. cut_after, full_after: bytes over SFTP until the line is cut, the disk is full."""

    watch: Watch | None = None
    cut_after: int | None = None
    full_after: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Where programs run, with what environment; `profile` is shell that runs before every command."""

    home: Path
    environment: Mapping[str, str]
    profile: str = ""


async def serve(process: Process, account: Account, faults: Faults) -> None:
    """Run one command for a client until all that it printed is sent."""
    command = process.command or "exec sh -s"
    out, err = _Pipe(), _Pipe()
    child = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        f"{account.profile}\n{command}" if account.profile else command,
        stdin=asyncio.subprocess.PIPE,
        stdout=out.write_end,
        stderr=err.write_end,
        cwd=account.home,
        env=account.environment,
        start_new_session=True,
    )
    out.started()
    err.started()
    feeding = asyncio.create_task(_feed(process, child))
    watch = faults.watch or _unwatched
    await asyncio.gather(
        _pump(out, process.stdout, lambda data: watch(data, child.pid)), _pump(err, process.stderr, _ignored)
    )
    code = await child.wait()
    feeding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await feeding
    process.exit(code if code >= 0 else 128 - code)


class Files(asyncssh.SFTPServer):
    """SFTP over the whole file system; relative paths are below the home folder."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], home: Path, faults: Faults) -> None:
        super().__init__(channel)
        self._home = os.fsencode(home)
        self._faults = faults
        self._written = 0

    def map_path(self, path: bytes) -> bytes:
        """Return the local path of a client's path."""
        return posixpath.normpath(posixpath.join(self._home, path))

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Write, or fail as the sandbox was told to."""
        self._written += len(data)
        if self._faults.cut_after is not None and self._written > self._faults.cut_after:
            self.channel.get_connection().abort()
            raise asyncssh.SFTPConnectionLost("the line was cut")
        if self._faults.full_after is not None and self._written > self._faults.full_after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(file_obj, offset, data)
        assert isinstance(written, int)  # noqa: S101 - asyncssh's own files write at once
        return written


class _Pipe:
    """One stream of a program: its write end is the program's alone, so that closing ours is what it notices."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()

    def started(self) -> None:
        os.close(self.write_end)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self._read_end, "rb")
        )
        return reader, transport


async def _pump(pipe: _Pipe, to: asyncssh.SSHWriter[bytes], seen: Callable[[bytes], None]) -> None:
    reader, transport = await pipe.open()
    with contextlib.suppress(asyncssh.Error, OSError):
        while data := await reader.read(32768):
            seen(data)
            to.write(data)
            await to.drain()
    transport.close()


async def _feed(process: Process, child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None  # noqa: S101 - it was started with a pipe
    with contextlib.suppress(asyncssh.Error, OSError):
        while data := await process.stdin.read(32768):
            child.stdin.write(data)
            await child.stdin.drain()
    child.stdin.close()


def _unwatched(_data: bytes, _pid: int) -> None:
    """See nothing."""


def _ignored(_data: bytes) -> None:
    """See nothing."""
