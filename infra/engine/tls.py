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
        said = " ".join([*self._said, problem])
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
        try:
            with plain, secured:
                _Relay(plain, secured).run()
        except (OSError, ssl.SSLError) as error:
            self._said.append(_reason(error))


class _Relay:
    """Carries bytes both ways until the engine has ended its side; our end is sent as TLS's close_notify."""

    def __init__(self, plain: socket.socket, secured: ssl.SSLSocket) -> None:
        self._plain, self._secured = plain, secured
        self._reading = True
        secured.settimeout(0)

    def run(self) -> None:
        while True:
            sources = [self._secured, self._plain] if self._reading else [self._secured]
            ready, _, _ = select.select(sources, [], [])
            if self._secured in ready and not self._inward():
                return
            if self._plain in ready:
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
        data = self._plain.recv(_CHUNK)
        if not data:
            self._reading = False
            with contextlib.suppress(ssl.SSLWantReadError):  # sent; the engine may go on talking
                self._secured.unwrap()
        while data:
            try:
                data = data[self._secured.send(data) :]
            except ssl.SSLWantWriteError:
                select.select([], [self._secured], [])
            except ssl.SSLWantReadError:
                select.select([self._secured], [], [])


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
