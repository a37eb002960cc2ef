"""ssh://: one process of the user's own `ssh` for each connection, with our options, over one shared session."""

from __future__ import annotations

import base64
import hashlib
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from crm.errors import HostError
from infra.engine.complaints import explain, unknown, unknown_key
from infra.engine.reach import PATIENCE, Reach, ssh_opts

LINGER = 20
"""Seconds that the shared session outlives its last connection, should this process die without closing it."""
REMOTE = ("docker", "system", "dial-stdio")


class SshDialer:
    """Connections to an engine through `ssh HOST docker system dial-stdio`.

    They share one session (`ControlMaster`), whose socket lies in a private folder that `close` removes.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._folder = Path(tempfile.mkdtemp(prefix="crmhost-", dir=_short()))
        self._said = self._folder / "said"
        self._running: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()

    def dial(self) -> socket.socket:
        """Start one `ssh`; that it failed shows when its end of the socket closes."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._said.open("ab") as said:
                # A session of its own: Ctrl-C must not cut the connection over which we clean up.
                process = subprocess.Popen(  # noqa: S603 -- an argument vector
                    self._command(), stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=said, start_new_session=True
                )
        except OSError as error:
            ours.close()
            raise HostError(
                f"{self._reach.url}: ssh cannot be started: {error}", "Install OpenSSH's client (openssh-client)."
            ) from error
        with self._lock:
            self._running = [each for each in self._running if each.poll() is None] + [process]
        return ours

    def failure(self, problem: str) -> HostError:
        """Explain what ssh said on standard error."""
        for process in self._running:
            try:
                process.wait(1)  # what it has to say is said when it ends
            except subprocess.TimeoutExpired:
                continue
        said = self._said.read_text("utf-8", "replace") if self._said.exists() else ""
        if unknown_key(said):
            return unknown(self._reach, fingerprint(offered_key(self._reach)))
        return explain(self._reach, said.strip() or problem)

    def close(self) -> None:
        """End the shared session and every process of `ssh`."""
        if any(self._folder.glob("s")):
            subprocess.run(  # noqa: S603 -- an argument vector
                ["ssh", "-S", str(self._folder / "s"), "-O", "exit", "--", self._reach.host],  # noqa: S607
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        for process in self._running:
            process.terminate()
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _command(self) -> list[str]:
        shared = {"ControlMaster": "auto", "ControlPath": str(self._folder / "s"), "ControlPersist": str(LINGER)}
        options = [word for name, value in shared.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", *_address(self._reach), *ssh_opts(self._reach), *options, "-T", "--", self._reach.host, *REMOTE]


def offered_key(reach: Reach) -> str:
    """Return the line of known_hosts for the key that the host shows now, unproven; raises HostError.

    The host is asked as any connection asks it, jump hosts and aliases of the user's configuration included.
    """
    with tempfile.TemporaryDirectory(prefix="crmhost-") as folder:
        seen = Path(folder) / "known_hosts"
        options = {
            "UserKnownHostsFile": str(seen),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "accept-new",
            "HashKnownHosts": "no",
            "PreferredAuthentications": "none",
            "BatchMode": "yes",
            "ConnectTimeout": str(PATIENCE),
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        command = ["ssh", *_address(reach), *words, "-T", "--", reach.host, "true"]
        tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
        line = seen.read_text("utf-8").strip() if seen.exists() else ""
    if not line:
        raise explain(reach, tried.stderr.decode(errors="replace").strip())
    return line


def ssh_command(reach: Reach) -> list[str]:
    """Return the words of an `ssh` to the host, up to the command that it is to run there."""
    return ["ssh", *_address(reach), *ssh_opts(reach), "-T", "--", reach.host]


def fingerprint(line: str) -> str:
    """Return `SHA256:…` of a line of known_hosts, as OpenSSH shows it."""
    digest = hashlib.sha256(base64.b64decode(line.split()[2])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _address(reach: Reach) -> list[str]:
    parts = urlsplit(reach.url)
    user = ["-l", parts.username] if parts.username else []
    return user + (["-p", str(parts.port)] if parts.port else [])


def _short() -> str | None:
    """Return a folder whose sockets' paths stay below the system's limit of about a hundred bytes."""
    return None if len(tempfile.gettempdir()) < 60 else "/tmp"  # noqa: S108 -- mkdtemp makes a private folder in it
