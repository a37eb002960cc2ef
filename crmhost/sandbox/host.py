"""A sandbox: opened, reached over SSH like any web host, and closed with everything that ran in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import asyncssh

from crmhost.sandbox import guardian, processes
from crmhost.sandbox.scheduler import Due, due
from crmhost.sandbox.server import Account, Faults, Files, Process, serve
from playbooks.connect import Address

T = TypeVar("T")

_PASSED = ("PIP_", "SSL_", "UV_")
_PASSED_NAMES = frozenset({"REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
_CRONTAB = """\
#!/bin/sh
# The crontab program of a sandbox: one file in its home.
file=$HOME/.crontab
case ${1:--} in
  -l) if [ -f "$file" ]; then exec cat "$file"; fi; echo "no crontab for $(id -un)" >&2; exit 1 ;;
  -r) rm -f "$file" ;;
  -) cat >"$file.new" && mv -f "$file.new" "$file" ;;
  *) cat "$1" >"$file.new" && mv -f "$file.new" "$file" ;;
esac
"""


class Sandbox:
    """A web host in `root`, a folder that is made when missing and never removed here.

    cron: give it a crontab program, and start what is due each minute by `clock`. profile: shell that runs before
    every command, as a noisy account's does. faults: what goes wrong on purpose. Keys are kept in `root`, so a sandbox
    that is opened again is the same host. Leaving it closes it.
    """

    def __init__(
        self,
        root: Path,
        *,
        cron: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        profile: str = "",
        faults: Faults | None = None,
    ) -> None:
        self.root = root.resolve()
        self.home = self.root / "home"
        self.key_file = self.root / "ssh" / "client"
        self.faults = faults or Faults()
        self._cookie = secrets.token_hex(16)
        self._cron = cron
        self._clock = clock
        self._account = Account(self.home, self._environment(os.environ), profile)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._server: asyncssh.SSHAcceptor | None = None
        self._guardian: subprocess.Popen[bytes] | None = None
        self._scheduling: asyncio.Task[None] | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._port = 0

    def __enter__(self) -> Self:
        self._lay_out()
        self._guardian = guardian.start(self._cookie)
        self._thread.start()
        self._wait(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> Address:
        """Return where it listens."""
        return Address("sandbox", "127.0.0.1", self._port)

    @property
    def fingerprint(self) -> str:
        """Return its host key's fingerprint, as OpenSSH shows it."""
        return asyncssh.read_public_key(self.root / "ssh" / "host.pub").get_fingerprint()

    @property
    def running(self) -> frozenset[int]:
        """Return the ids of all processes that run in it."""
        return processes.members(self._cookie)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what programs in it find in their environment."""
        return self._account.environment

    def tick(self, minute: datetime) -> int:
        """Start what the crontab says for this minute; returns how many commands."""
        with contextlib.suppress(FileNotFoundError):
            found = due((self.home / ".crontab").read_text("utf-8", "surrogateescape"), minute)
            for job in found:
                self._start(job)
            return len(found)
        return 0

    def cut(self) -> None:
        """Drop every connection, as a failing network does, and go on listening."""
        self._wait(self._drop())

    def close(self) -> None:
        """Stop listening and end every process that it started; may be called twice."""
        if self._thread.is_alive():
            self._wait(self._stop())
            processes.end(self._cookie)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            self._guardian.wait()
            self._guardian = None

    def _environment(self, outer: Mapping[str, str]) -> dict[str, str]:
        """Return the small environment of a web host, with what a closed network needs for installing packages."""
        passed = {
            name: value for name, value in outer.items() if name.startswith(_PASSED) or name.upper() in _PASSED_NAMES
        }
        cache = Path(outer.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pip"
        path = [str(self.root / "bin"), outer.get("PATH", os.defpath), str(Path(sys.base_exec_prefix) / "bin")]
        return {
            "PIP_CACHE_DIR": str(cache),
            **passed,
            "PATH": os.pathsep.join(path),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            processes.COOKIE: self._cookie,
        }

    def _lay_out(self) -> None:
        for folder in (self.home, self.root / "bin", self.root / "ssh"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._cron:
            program = self.root / "bin" / "crontab"
            program.write_text(_CRONTAB)
            program.chmod(0o700)
        for name in ("host", "client"):
            path = self.root / "ssh" / name
            if not path.exists():
                key = asyncssh.generate_private_key("ssh-ed25519")
                path.touch(mode=0o600)
                key.write_private_key(path)
                key.write_public_key(f"{path}.pub")

    async def _listen(self) -> None:
        if self._cron:
            self._scheduling = asyncio.create_task(self._schedule())
        self._server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Server(self._connections),
            server_host_keys=[self.root / "ssh" / "host"],
            authorized_client_keys=str(self.root / "ssh" / "client.pub"),
            process_factory=self._serve,
            sftp_factory=lambda channel: Files(channel, self.home, self.faults),
            encoding=None,
        )
        self._port = self._server.get_port()

    async def _serve(self, process: Process) -> None:
        await serve(process, self._account, self.faults)

    async def _schedule(self) -> None:
        """Tick once a minute, at its beginning by the clock."""
        minute = self._clock().replace(second=0, microsecond=0)
        while True:
            minute += timedelta(minutes=1)
            await asyncio.sleep(max(0.0, (minute - self._clock()).total_seconds()))
            self.tick(minute)

    async def _drop(self) -> None:
        for connection in tuple(self._connections):
            connection.abort()

    async def _stop(self) -> None:
        if self._scheduling is not None:
            self._scheduling.cancel()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await self._drop()

    def _start(self, job: Due) -> None:
        child = subprocess.Popen(  # noqa: S603 - a crontab's line is a shell command
            ["sh", "-c", job.command],  # noqa: S607 - found on the path, as cron's shell is
            cwd=self.home,
            env={**self._account.environment, **job.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        threading.Thread(target=child.communicate, args=(job.stdin.encode(),), daemon=True).start()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


class _Server(asyncssh.SSHServer):
    """Knows the connections that are open."""

    def __init__(self, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._connections = connections
        self._own: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._own = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        if self._own is not None:
            self._connections.discard(self._own)
