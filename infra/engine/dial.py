"""Dialing an engine: whatever the way there is, the other end is a plain stream socket that can be half-closed.

For ssh:// a process of `ssh` stands behind the socket, for tcp:// a thread that speaks TLS. So everything above this
module (HTTP, attached streams, their ends) is the same for every way.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from crm.errors import HostError
from infra.engine.reach import Reach


class Dialer(Protocol):
    """One way to one engine."""

    def dial(self) -> socket.socket:
        """Return a new connection to the engine, blocking; raises HostError with a remedy."""
        ...

    def failure(self, problem: str) -> HostError:
        """Return the error for a connection that broke: `problem` as it showed, and the reason where it is known."""
        ...

    def close(self) -> None:
        """Give back what all connections shared."""
        ...


def dialer(reach: Reach) -> Dialer:
    """Return what dials the engine; nothing is connected yet. Raises HostError for files that are missing."""
    if reach.scheme == "ssh":
        from infra.engine.ssh import SshDialer

        return SshDialer(reach)
    if reach.scheme == "tcp":
        from infra.engine.tls import TlsDialer

        return TlsDialer(reach)
    return SocketDialer(reach)


class SocketDialer:
    """An engine on this machine."""

    def __init__(self, reach: Reach) -> None:
        self._path = Path(urlsplit(reach.url).path)

    def dial(self) -> socket.socket:
        """Connect to the engine's socket."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.connect(str(self._path))
        except PermissionError as error:
            line.close()
            raise HostError(
                f"{self._path}: this account may not use the Docker engine",
                "Put the account into the group that owns the socket (often docker) and log in again.",
            ) from error
        except OSError as error:
            line.close()
            raise self.failure(error.strerror or str(error)) from error
        return line

    def failure(self, problem: str) -> HostError:
        """Say that the engine is down."""
        return HostError(
            f"{self._path}: the Docker engine does not answer: {problem}",
            "Start it (systemctl start docker), or correct target.docker: in the contract.",
        )

    def close(self) -> None:
        """Nothing is shared."""
