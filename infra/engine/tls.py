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
            secured = self._context.wrap_socket(wire, server_hostname=parts.hostname)
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

    def _relay(self, plain: socket.socket, secured: ssl.SSLSocket) -> None:
        with plain, secured:
            try:
                _Relay(plain, secured).run()
            except (OSError, ssl.SSLError) as error:
                self._said.append(_reason(error))  # before the other end sees that it is over


class _Relay:
    """Carries bytes both ways until the engine has ended its side; our end is sent as TLS's close_notify.

    Neither direction waits for the other: a program may stop reading until what it printed has been read.
    """

    def __init__(self, plain: socket.socket, secured: ssl.SSLSocket) -> None:
        self._plain, self._secured = plain, secured
        self._open = True
        self._unsent = b""
        secured.settimeout(0)

    def run(self) -> None:
        """Carry until the engine has ended."""
        while True:
            sources = [self._secured, self._plain] if self._open and not self._unsent else [self._secured]
            ready, _, _ = select.select(sources, [self._secured] if self._unsent else [], [])
            if self._secured in ready and not self._inward():
                return
            if self._plain in ready:
                self._unsent = self._plain.recv(_CHUNK)
                self._open = bool(self._unsent)
                if not self._open:
                    self._say_end()
            self._outward()

    def _inward(self) -> bool:
        """Carry what has arrived; false at the engine's end."""
        while True:
            try:
                data = self._secured.recv(_CHUNK)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return True
            except ssl.SSLZeroReturnError:
                return False
            if not data:
                return False
            self._plain.sendall(data)

    def _outward(self) -> None:
        with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
            while self._unsent:
                self._unsent = self._unsent[self._secured.send(self._unsent) :]

    def _say_end(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):  # it is said; the engine may go on talking
            self._secured.unwrap()


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
