"""Reaching a host over SSH, through jump hosts where there are any, each of them verified and logged in to.

paramiko is imported when a connection is made.
"""

from __future__ import annotations

import logging
import socket
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crm.errors import HostError
from playbooks.become import Become, Rooted
from playbooks.entry import AcceptAt, Passage, enter
from playbooks.host import Host
from playbooks.keys import Ring
from playbooks.kind import Put
from playbooks.lean import import_lean
from playbooks.route import Address, Stop
from playbooks.terminal import safe_line
from playbooks.wire import Channel

if TYPE_CHECKING:
    import paramiko

_SILENCE = 45_000
"""Milliseconds for which what was sent may stay unacknowledged; then the kernel ends the connection, whoever waits."""

__all__ = ["AcceptAt", "Address", "Stop", "connect", "connect_through"]


def connect(
    address: Address,
    known_hosts: Path,
    *,
    key_file: Path | None,
    accept_new: Callable[[str], bool],
    timeout: float = 15.0,
) -> Host:
    """Return an open connection to a host that is reached without any other; see `connect_through`.

    key_file: the one private key to log in with; None: the agent's keys, then those in ~/.ssh.
    """
    way = (Stop.only(address, key_file),)
    return connect_through(way, known_hosts, ring=Ring(), accept=lambda _, shown: accept_new(shown), timeout=timeout)


def connect_through(
    way: Sequence[Stop],
    known_hosts: Path,
    *,
    ring: Ring,
    accept: AcceptAt,
    timeout: float = 15.0,
    become: Become | None = None,
) -> Host:
    """Return an open connection to the last host of the way, through those before it; each one's key was verified.

    known_hosts: the fleet's file; on first contact `accept(stop, "SHA256:…")` decides, and the key is pinned there.
    ring: the keys to log in with. timeout: seconds for each stage at each host. become: work as root there. Raises
    HostError that names the host on the way: no such name, refused, silent, another host key, no accepted key, a jump
    host that passes nothing on. That root is not to be had is raised when the first thing is asked.
    """
    import_lean()
    import paramiko

    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # its tracebacks are not for people; ours is
    line = _Line()
    try:
        for stop in way:
            socket_to = line.onward(stop, timeout) if line.reached else _open(stop, timeout)
            line.reached.append((stop, enter(stop, socket_to, known_hosts, ring, accept, timeout)))
    except BaseException as error:
        gone = line.gone() if isinstance(error, HostError) else None
        line.close()
        if gone is not None:
            raise HostError(
                f"{way[-1].title}: the connection was lost at {gone}, on the way to it", "Run the same command again."
            ) from error
        raise
    name, wire = str(way[-1].address), _Ssh(line, (paramiko.SSHException, EOFError, OSError))
    return Host(name, wire if become is None else Rooted(name, wire, become))


class _Line:
    """The connections that are open: each one after the first runs through the one before it."""

    def __init__(self) -> None:
        self.reached: list[tuple[Stop, paramiko.Transport]] = []

    def onward(self, stop: Stop, timeout: float) -> Passage:
        """Return a connection from the host that was reached last to the next one."""
        import paramiko

        before, transport = self.reached[-1]
        place = (stop.address.host, stop.address.port)
        try:
            return Passage(transport.open_channel("direct-tcpip", place, ("127.0.0.1", 0), timeout=timeout))
        except paramiko.ChannelException as error:
            raise _not_passed(before, stop, error) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise HostError(
                f"{stop.title}: {before.address} made no connection to it within {timeout:g} s",
                f"Check that the host is up, as {before.address} reaches it, and that no firewall is between them.",
            ) from error

    def gone(self) -> str | None:
        """Return the first host on the way whose connection ended; an end shows at the last one a moment earlier."""
        if not self.reached:
            return None
        last = self.reached[-1][1]
        last.join(0.01)
        if last.is_active():
            return None
        for stop, transport in self.reached:
            transport.join(0.05)
            if not transport.is_active():
                return stop.title if stop.passed else ""
        return ""

    def close(self) -> None:
        """End the connections, the farthest first."""
        for _, transport in reversed(self.reached):
            transport.close()


def _not_passed(before: Stop, stop: Stop, error: paramiko.ChannelException) -> HostError:
    host, port = stop.address.host, stop.address.port
    said = safe_line(error.text or str(error))
    if error.code == 2:  # SSH_OPEN_CONNECT_FAILED
        return HostError(
            f"{stop.title}: {before.address} cannot connect to {host}, port {port}: {said}",
            f"Check that the host is up, and that {before.address} knows its name; then `{_field(stop)}` and the port.",
        )
    return HostError(
        f"{before.title}: passes no connection on to {host}, port {port}: {said}",
        "Let its SSH server do so for this account: AllowTcpForwarding yes, and no PermitOpen that leaves it out.",
    )


def _field(stop: Stop) -> str:
    return "target.jump" if stop.passed else "target.host"


class _Ssh:
    """The line to a host: what is done there goes over the last connection."""

    root = False

    def __init__(self, line: _Line, errors: tuple[type[Exception], ...]) -> None:
        self._line = line
        self._transport = line.reached[-1][1]
        self.errors = errors

    def channel(self, timeout: float) -> Channel:
        return self._transport.open_session(timeout=timeout)

    def gone(self) -> str | None:
        return self._line.gone()

    def send(self, puts: Sequence[Put], folder: str, timeout: float) -> None:
        with self.files(timeout) as client:
            _make_private(client, folder)
            for put in puts:
                # Not pipelined: paramiko then drops the answers to writes, and a full disk goes unnoticed.
                with client.open(f"{folder}/{put.name}", "w") as file:
                    file.chmod(0o600)
                    file.write(put.content)

    def files(self, timeout: float) -> paramiko.SFTPClient:
        client = self._transport.open_sftp_client()
        if client is None:
            raise OSError("the host has no SFTP")
        client.get_channel().settimeout(timeout)  # type: ignore[union-attr] # the channel of an open client
        return client

    def close(self) -> None:
        self._line.close()


def _make_private(client: paramiko.SFTPClient, folder: str) -> None:
    try:
        client.mkdir(folder, 0o700)
    except OSError:
        if not stat.S_ISDIR(client.lstat(folder).st_mode or 0):
            raise
        client.chmod(folder, 0o700)


def _open(stop: Stop, timeout: float) -> socket.socket:
    host, port = stop.address.host, stop.address.port
    try:
        wire = socket.create_connection((host, port), timeout)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux alone has it
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE)
    except socket.gaierror as error:
        raise HostError(
            f"{stop.title}: no such host name: {host!r} ({error.strerror})",
            f"Check `{_field(stop)}` in the contract and this machine's DNS.",
        ) from error
    except TimeoutError as error:
        raise HostError(
            f"{stop.title}: no connection within {timeout:g} s",
            f"Check that the host is up and that no firewall drops port {port}.",
        ) from error
    except OSError as error:
        raise HostError(
            f"{stop.title}: cannot connect: {error.strerror or error}",
            f"Check that the host is up, `{_field(stop)}` and the port, and that SSH runs there.",
        ) from error
    return wire
