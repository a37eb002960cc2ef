"""Getting in at one host: its key is verified against the fleet's own file, and only keys log in, never a password."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from crm.errors import HostError
from playbooks.keys import Ring
from playbooks.known_hosts import Known, fingerprint, look_up, pin
from playbooks.route import Stop
from playbooks.terminal import safe_line

if TYPE_CHECKING:
    import paramiko

AcceptAt: TypeAlias = Callable[[Stop, str], bool]
"""Decides whether the key of a host that was never seen is trusted: the host, and its key's fingerprint."""


class Passage:
    """A channel of one connection as the socket of the next; closing it is quiet where the first is gone already.

    paramiko closes its socket in a thread of its own, where an error would become a traceback on the terminal.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self.recv = channel.recv
        self.send = channel.send
        self.settimeout = channel.settimeout

    @property
    def _closed(self) -> bool:
        """Return what paramiko asks a socket and a channel for under this name."""
        return bool(self._channel.closed)

    def close(self) -> None:
        """Close the channel, as far as there is one."""
        import paramiko

        with contextlib.suppress(EOFError, OSError, paramiko.SSHException):
            self._channel.close()


def enter(
    stop: Stop,
    wire: socket.socket | Passage,
    known_hosts: Path,
    ring: Ring,
    accept: AcceptAt,
    timeout: float,
) -> paramiko.Transport:
    """Return the connection to a host over a wire to it, verified and logged in."""
    import paramiko

    transport: paramiko.Transport | None = None
    try:
        known = look_up(known_hosts, stop.pinned)
        transport = paramiko.Transport(wire)  # type: ignore[arg-type] # a Passage is as much of a socket as it uses
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout
        _prefer(transport, known)
        _verify(stop, _shake_hands(stop, transport, timeout), known_hosts, accept)
        _log_in(stop, transport, ring)
        transport.set_keepalive(10)
    except BaseException:
        if transport is not None:
            transport.close()
        wire.close()
        raise
    return transport


def _prefer(transport: paramiko.Transport, known: Sequence[Known]) -> None:
    """Ask for a key of a pinned type first: a host may have several, and another one is not a changed one."""
    options = transport.get_security_options()
    pinned = {entry.algorithm for entry in known}
    if "ssh-rsa" in pinned:
        pinned |= {"rsa-sha2-512", "rsa-sha2-256"}
    options.key_types = tuple(sorted(options.key_types, key=lambda kind: kind not in pinned))


def _shake_hands(stop: Stop, transport: paramiko.Transport, timeout: float) -> paramiko.PKey:
    import paramiko

    try:
        transport.start_client(timeout=timeout)
        return transport.get_remote_server_key()  # raises when the time ran out: start_client then just returns
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise HostError(
            f"{stop.title}: what answers on port {stop.address.port} does not speak SSH with us:"
            f" {safe_line(str(error))}",
            "Check the port, and that the host's SSH server is up and not overloaded.",
        ) from error


def _verify(stop: Stop, key: paramiko.PKey, known_hosts: Path, accept: AcceptAt) -> None:
    shown = key.asbytes()
    pinned = look_up(known_hosts, stop.pinned)
    if any(entry.key == shown for entry in pinned):
        return
    if pinned:
        first = pinned[0]
        raise HostError(
            f"{stop.title}: the host key changed: {fingerprint(shown)} was shown, {first.fingerprint} is pinned in "
            f"{known_hosts}:{first.line}",
            "Somebody may be between you and the host. If its owner confirms the new key, remove that line and "
            "run the command again.",
        )
    if not accept(stop, fingerprint(shown)):
        raise HostError(
            f"{stop.title}: its key {fingerprint(shown)} is not known, and was not accepted",
            "Compare it with what the host's owner says. At a terminal you are asked; `deploy` and `doctor` take"
            " --accept-host-key.",
        )
    pin(known_hosts, stop.pinned, key.get_name(), shown)


def _log_in(stop: Stop, transport: paramiko.Transport, ring: Ring) -> None:
    import paramiko

    tried: list[str] = []
    left: list[str] = []
    for offer in ring.offers(stop):
        if offer.key is None:
            left.append(f"{offer.source} ({offer.why})")
            continue
        tried.append(offer.source)
        try:
            if not transport.auth_publickey(stop.address.user, offer.key):
                return
        except paramiko.BadAuthenticationType as error:
            raise HostError(
                f"{stop.title}: the host takes no keys, only: {', '.join(map(safe_line, error.allowed_types))}",
                "crmhost logs in with keys alone; let the host accept one for this account.",
            ) from error
        except paramiko.AuthenticationException:
            if not transport.is_active():
                break
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise HostError(f"{stop.title}: the host ended the log-in: {safe_line(str(error))}") from error
    offered = ", ".join(tried) or ("none" if left else "none: no agent, and no key in ~/.ssh")
    without = f"; left out: {', '.join(left)}" if left else ""
    raise HostError(
        f"{stop.title}: the host refused the log-in of {stop.address.user!r}; keys offered: {offered}{without}",
        "Add the public key to the account's ~/.ssh/authorized_keys, or name the right key and user in the fleet.",
    )
