"""tcp://: mutual TLS, spoken by a thread behind a plain socket, so that a stream can end in one direction."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from urllib.parse import urlsplit

from crm.errors import HostError
from infra.engine.reach import PATIENCE, Reach

FILES = ("ca.pem", "cert.pem", "key.pem")
_CHUNK = 1 << 16


class TlsDialer:
    """Connections to an engine over TLS, both sides showing a certificate."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._context = _context(reach)
        self._said: list[str] = []

    def dial(self) -> socket.socket:
        """Connect, shake hands, and return the plain end."""
        parts = urlsplit(self._reach.url)
        try:
            wire = socket.create_connection((parts.hostname or "", parts.port or 2376), PATIENCE)
        except OSError as error:
            raise self._unreachable(error) from error
        try:
            secured = _Secured(self._context, wire, parts.hostname or "")
        except (OSError, ssl.SSLError) as error:
            wire.close()
            raise self.failure(_reason(error)) from error
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._relay, args=(theirs, secured), name="tls", daemon=True).start()
        return ours

    def failure(self, problem: str) -> HostError:
        """Explain which side did not trust the other one."""
        said = self._said[-1] if self._said else problem
        if "alert" in said:
            return HostError(
                f"{self._reach.url}: the engine refused the client certificate: {said[:200]}",
                f"Is {self._reach.tls}/cert.pem signed by the authority that the engine trusts, and not expired?",
            )
        if "verify failed" in said or "mismatch" in said:
            return HostError(
                f"{self._reach.url}: the engine's certificate is not believed: {said[:200]}",
                f"It must be signed by {self._reach.tls}/ca.pem and name {self._reach.host}.",
            )
        return HostError(
            f"{self._reach.url}: the Docker engine does not answer over TLS: {said[:200]}",
            "Does it listen with --tlsverify on that port?",
        )

    def close(self) -> None:
        """Each relay ends with its connection."""

    def _unreachable(self, error: OSError) -> HostError:
        return HostError(
            f"{self._reach.url}: the Docker engine cannot be reached: {error.strerror or error}",
            "Is it up, does it listen on that port, and is there a way to it (VPN, firewall)? Nothing was changed.",
        )

    def _relay(self, plain: socket.socket, secured: _Secured) -> None:
        with plain, secured.wire:
            try:
                _carry(plain, secured)
            except (OSError, ssl.SSLError) as error:
                self._said.append(_reason(error))  # before the other end sees that it is over


class _Secured:
    """A wire with TLS on it, whose two directions end apart from one another.

    An SSLSocket cannot do that: what the engine says while our end is being told is lost to it. Here nothing that has
    arrived is unread when the end is told, so nothing can be.
    """

    def __init__(self, context: ssl.SSLContext, wire: socket.socket, name: str) -> None:
        self.wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._unsent = b""
        self._shake()
        wire.settimeout(0)

    @property
    def unsent(self) -> bool:
        """Tell whether something waits for the wire to take it."""
        return bool(self._unsent)

    def receive(self) -> tuple[bytes, bool]:
        """Return what has arrived, and whether more may come."""
        try:
            data = self.wire.recv(_CHUNK)
        except BlockingIOError:
            return b"", True
        if not data:
            return b"", False
        self._incoming.write(data)
        parts: list[bytes] = []
        while True:
            try:
                part = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                return b"".join(parts), True
            except ssl.SSLZeroReturnError:
                part = b""
            if not part:
                return b"".join(parts), False
            parts.append(part)

    def give(self, data: bytes) -> None:
        """Take what is to be sent; nothing is its end, told as TLS's close_notify."""
        if data:
            self._tls.write(data)
        else:
            with contextlib.suppress(ssl.SSLWantReadError):  # it is told; the engine may go on talking
                self._tls.unwrap()
        self._unsent += self._outgoing.read()
        self.send()

    def send(self) -> None:
        """Send what the wire takes now."""
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[self.wire.send(self._unsent) :]

    def _shake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.wire.sendall(self._outgoing.read())
                data = self.wire.recv(_CHUNK)
                if not data:
                    raise ConnectionResetError("the connection was closed in the middle of the handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                with contextlib.suppress(OSError):  # the other side is told why
                    self.wire.sendall(self._outgoing.read())
                raise
            else:
                self.wire.sendall(self._outgoing.read())
                return


def _carry(plain: socket.socket, secured: _Secured) -> None:
    """Carry bytes both ways until the engine has ended its side.

    Neither direction waits for the other: a program may stop reading until what it printed has been read.
    """
    speaking = True
    while True:
        sources = [secured.wire, plain] if speaking and not secured.unsent else [secured.wire]
        ready, free, _ = select.select(sources, [secured.wire] if secured.unsent else [], [])
        if free:
            secured.send()
        if secured.wire in ready:
            data, more = secured.receive()
            plain.sendall(data)
            if not more:
                return
        if plain in ready:
            given = plain.recv(_CHUNK)
            speaking = bool(given)
            secured.give(given)


def _context(reach: Reach) -> ssl.SSLContext:
    if reach.tls is None:
        raise HostError(
            f"{reach.url}: an engine on the network is used with mutual TLS alone, and no certificates are given",
            f"Put {', '.join(FILES)} into a folder and name it in crmhost.yaml: cloud: {{tls: FOLDER}}",
        )
    missing = [name for name in FILES if not (reach.tls / name).is_file()]
    if missing:
        raise HostError(f"{reach.tls}: {', '.join(missing)} is missing", f"TLS needs all of {', '.join(FILES)}.")
    try:
        context = ssl.create_default_context(cafile=str(reach.tls / "ca.pem"))
        context.load_cert_chain(reach.tls / "cert.pem", reach.tls / "key.pem")
    except (ssl.SSLError, OSError) as error:
        raise HostError(
            f"{reach.tls}: the certificates cannot be used: {_reason(error)}",
            "cert.pem and key.pem must belong together, and be PEM files without a passphrase.",
        ) from error
    return context


def _reason(error: Exception) -> str:
    verify = getattr(error, "verify_message", "")
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return f"{reason} {verify}".strip().replace("_", " ").lower()
