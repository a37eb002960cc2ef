"""Reaching a host over SSH: its key is verified against the fleet's own file, and only keys log in, never a password.

The one place that knows paramiko; it is imported when a connection is made.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crm.errors import HostError
from playbooks.host import Channel, Host
from playbooks.kind import Put
from playbooks.known_hosts import Known, fingerprint, look_up, name_of, pin
from playbooks.terminal import safe_line

if TYPE_CHECKING:
    import paramiko

_AGENT_KEYS = 4  # a server ends the connection after MaxAuthTries (default 6) wrong keys


@dataclass(frozen=True, slots=True)
class Address:
    """Who logs in where."""

    user: str
    host: str
    port: int = 22

    def __str__(self) -> str:
        """Return `user@host`, with the port where it is not 22."""
        return f"{self.user}@{self.host}" + ("" if self.port == 22 else f":{self.port}")


def connect(
    address: Address,
    known_hosts: Path,
    *,
    key_file: Path | None,
    accept_new: Callable[[str], bool],
    timeout: float = 15.0,
) -> Host:
    """Return an open connection to a host whose key was verified.

    known_hosts: the fleet's file; on first contact `accept_new("SHA256:…")` decides, and the key is pinned there.
    key_file: the one private key to log in with; None: the agent's keys, then those in ~/.ssh. timeout: seconds for
    each stage. Raises HostError for: no such name, refused, silent, another host key, no accepted key.
    """
    _import_lean()
    import paramiko

    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # its tracebacks are not for people; ours is
    wire = _open(address, timeout)
    transport: paramiko.Transport | None = None
    try:
        known = look_up(known_hosts, name_of(address.host, address.port))
        transport = paramiko.Transport(wire)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout
        _prefer(transport, known)
        _verify(address, _shake_hands(address, transport, timeout), known_hosts, accept_new)
        _log_in(address, transport, key_file)
        transport.set_keepalive(10)
    except BaseException:
        if transport is not None:
            transport.close()
        wire.close()
        raise
    return Host(str(address), _Ssh(transport, (paramiko.SSHException, EOFError, OSError)))


def _import_lean() -> None:
    """Import paramiko without invoke.

    paramiko reads `Match exec` lines of SSH configurations with it where it is there; none are read here, and it makes
    up a quarter of what an operation that finds nothing to do costs.
    """
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        return
    sys.modules["invoke"] = None  # type: ignore[assignment] # Python's own way to say: not to be had
    try:
        importlib.import_module("paramiko")
    finally:
        del sys.modules["invoke"]


class _Ssh:
    """One authenticated transport."""

    def __init__(self, transport: paramiko.Transport, errors: tuple[type[Exception], ...]) -> None:
        self._transport = transport
        self.errors = errors

    def channel(self, timeout: float) -> Channel:
        return self._transport.open_session(timeout=timeout)

    def send(self, puts: Sequence[Put], folder: str, timeout: float) -> None:
        client = self._transport.open_sftp_client()
        if client is None:
            raise OSError("the host has no SFTP")
        with client:
            client.get_channel().settimeout(timeout)  # type: ignore[union-attr] # the channel of an open client
            _make_private(client, folder)
            for put in puts:
                # Not pipelined: paramiko then drops the answers to writes, and a full disk goes unnoticed.
                with client.open(f"{folder}/{put.name}", "w") as file:
                    file.chmod(0o600)
                    file.write(put.content)

    def close(self) -> None:
        self._transport.close()


def _make_private(client: paramiko.SFTPClient, folder: str) -> None:
    try:
        client.mkdir(folder, 0o700)
    except OSError:
        if not stat.S_ISDIR(client.lstat(folder).st_mode or 0):
            raise
        client.chmod(folder, 0o700)


def _open(address: Address, timeout: float) -> socket.socket:
    try:
        wire = socket.create_connection((address.host, address.port), timeout)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except socket.gaierror as error:
        raise HostError(
            f"{address}: no such host name: {address.host!r} ({error.strerror})",
            "Check `target.host` in the contract and this machine's DNS.",
        ) from error
    except TimeoutError as error:
        raise HostError(
            f"{address}: no connection within {timeout:g} s",
            f"Check that the host is up and that no firewall drops port {address.port}.",
        ) from error
    except OSError as error:
        raise HostError(
            f"{address}: cannot connect: {error.strerror or error}",
            "Check that the host is up, `target.host` and the port, and that SSH runs there.",
        ) from error
    return wire


def _prefer(transport: paramiko.Transport, known: Sequence[Known]) -> None:
    """Ask for a key of a pinned type first: a host may have several, and another one is not a changed one."""
    options = transport.get_security_options()
    pinned = {entry.algorithm for entry in known}
    if "ssh-rsa" in pinned:
        pinned |= {"rsa-sha2-512", "rsa-sha2-256"}
    options.key_types = tuple(sorted(options.key_types, key=lambda kind: kind not in pinned))


def _shake_hands(address: Address, transport: paramiko.Transport, timeout: float) -> paramiko.PKey:
    import paramiko

    try:
        transport.start_client(timeout=timeout)
        return transport.get_remote_server_key()  # raises when the time ran out: start_client then just returns
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise HostError(
            f"{address}: what answers on port {address.port} does not speak SSH with us: {safe_line(str(error))}",
            "Check the port, and that the host's SSH server is up and not overloaded.",
        ) from error


def _verify(address: Address, key: paramiko.PKey, known_hosts: Path, accept_new: Callable[[str], bool]) -> None:
    name = name_of(address.host, address.port)
    shown = key.asbytes()
    pinned = look_up(known_hosts, name)
    if any(entry.key == shown for entry in pinned):
        return
    if pinned:
        first = pinned[0]
        raise HostError(
            f"{address}: the host key changed: {fingerprint(shown)} was shown, {first.fingerprint} is pinned in "
            f"{known_hosts}:{first.line}",
            "Somebody may be between you and the host. If its owner confirms the new key, remove that line and "
            "run the command again.",
        )
    if not accept_new(fingerprint(shown)):
        raise HostError(
            f"{address}: its key {fingerprint(shown)} is not known, and was not accepted",
            "Compare it with what the host's owner says, then accept it on first contact.",
        )
    pin(known_hosts, name, key.get_name(), shown)


def _log_in(address: Address, transport: paramiko.Transport, key_file: Path | None) -> None:
    import paramiko

    tried: list[str] = []
    for source, key in _keys(key_file):
        tried.append(source)
        try:
            if not transport.auth_publickey(address.user, key):
                return
        except paramiko.BadAuthenticationType as error:
            raise HostError(
                f"{address}: the host takes no keys, only: {', '.join(map(safe_line, error.allowed_types))}",
                "crmhost logs in with keys alone; let the host accept one for this account.",
            ) from error
        except paramiko.AuthenticationException:
            if not transport.is_active():
                break
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise HostError(f"{address}: the host ended the log-in: {safe_line(str(error))}") from error
    offered = ", ".join(tried) or "none: no agent, and no key in ~/.ssh"
    raise HostError(
        f"{address}: the host refused the log-in of {address.user!r}; keys offered: {offered}",
        "Add the public key to the account's ~/.ssh/authorized_keys, or name the right key and user in the fleet.",
    )


def _keys(key_file: Path | None) -> Iterator[tuple[str, paramiko.PKey]]:
    """Yield the keys to offer with where each came from."""
    import paramiko

    if key_file is not None:
        yield str(key_file), _load(key_file)
        return
    if os.environ.get("SSH_AUTH_SOCK"):
        for key in paramiko.Agent().get_keys()[:_AGENT_KEYS]:
            yield f"agent {key.fingerprint}", key
    for name in ("id_ed25519", "id_ecdsa", "id_rsa"):
        path = Path("~/.ssh").expanduser() / name
        if path.is_file():
            try:
                yield str(path), _load(path)
            except HostError:
                continue  # a default key with a passphrase is for the agent; it was not asked for by name


def _load(path: Path) -> paramiko.PKey:
    import paramiko
    from paramiko.pkey import UnknownKeyType

    try:
        return paramiko.PKey.from_path(path)
    except (paramiko.PasswordRequiredException, TypeError) as error:  # cryptography's word for it is TypeError
        raise HostError(f"{path}: the key has a passphrase", f"Add it to your agent: ssh-add {path}") from error
    except FileNotFoundError as error:
        raise HostError(f"{path}: no such key file", "Name the private key to log in with.") from error
    except (OSError, ValueError, paramiko.SSHException, UnknownKeyType) as error:
        raise HostError(
            f"{path}: not a private key that can be read: {safe_line(str(error))}",
            "Give an OpenSSH private key (ed25519, ecdsa or rsa), readable by you.",
        ) from error
