"""What lies below a host that was reached: the transport, its channels, and what is said when they are gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from crm.errors import HostError
from playbooks.kind import Put
from playbooks.terminal import safe

if TYPE_CHECKING:
    from paramiko import SFTPClient


class Channel(Protocol):
    """One program on the host; paramiko's Channel is one."""

    def settimeout(self, timeout: float | None) -> None:
        """Bound every later call, in seconds; it raises TimeoutError."""
        ...

    def exec_command(self, command: str) -> None:
        """Start the program."""
        ...

    def sendall(self, s: bytes) -> None:
        """Write to its standard input."""
        ...

    def shutdown_write(self) -> None:
        """Close its standard input."""
        ...

    def recv(self, nbytes: int) -> bytes:
        """Read from its standard output; empty at the end."""
        ...

    def recv_stderr(self, nbytes: int) -> bytes:
        """Read from its standard error; empty at the end."""
        ...

    def close(self) -> None:
        """Stop talking to it."""
        ...


class Wire(Protocol):
    """The transport below a host; `playbooks.connect` has the one over SSH."""

    root: bool
    """Whether what is started on it runs as root."""
    errors: tuple[type[Exception], ...]
    """What its calls and those of its channels raise when the connection is gone."""

    def channel(self, timeout: float) -> Channel:
        """Open a channel."""
        ...

    def send(self, puts: Sequence[Put], folder: str, timeout: float) -> None:
        """Write the files; raises OSError for what the host refused."""
        ...

    def files(self, timeout: float) -> SFTPClient:
        """Open an SFTP channel of its own, each of whose answers may take `timeout` seconds."""
        ...

    def gone(self) -> str | None:
        """Return the jump host whose connection ended, or nothing for the host's own; None while all are up."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


def lost(name: str, wire: Wire, error: Exception) -> HostError:
    """Return what is said of a connection that died in mid-work: to which host, and at which jump host, if one did."""
    reason = str(error).strip() or type(error).__name__
    hop = wire.gone()
    where = f" at {hop}, on the way to it" if hop else ""
    return HostError(
        f"{name}: the connection was lost{where}: {safe(reason, 300)}",
        "Run the same command again: what was done is kept, and what was not is done then.",
    )
