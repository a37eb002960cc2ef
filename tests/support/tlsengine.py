"""An engine behind mutual TLS on loopback: what `dockerd --tlsverify` does, in front of an engine's socket."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.certificates import Authority

_CHUNK = 1 << 16


@contextmanager
def forwarding(url: str, authority: Authority, *names: str) -> Iterator[int]:
    """Carry what arrives over TLS on the yielded port to the engine at `url`, a unix:// socket.

    The certificate bears `names`; a client must show one that the same authority signed.
    """
    context = authority.server(*names)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        path = urlsplit(url).path
        threading.Thread(target=_accept, args=(listener, context, path), daemon=True).start()
        yield int(listener.getsockname()[1])


def folder_of(authority: Authority, folder: Path) -> Path:
    """Return a folder with ca.pem, cert.pem and key.pem of a new client of the authority."""
    before = set(authority.folder.iterdir())
    authority.server("client")
    made = next(iter(set(authority.folder.iterdir()) - before)).read_bytes()
    folder.mkdir()
    key, begin, certificate = made.partition(b"-----BEGIN CERTIFICATE-----")
    (folder / "ca.pem").write_bytes(authority.file.read_bytes())
    (folder / "key.pem").write_bytes(key)
    (folder / "cert.pem").write_bytes(begin + certificate)
    return folder


def _accept(listener: socket.socket, context: ssl.SSLContext, path: str) -> None:
    with suppress(OSError):  # the listener was closed
        while True:
            wire, _ = listener.accept()
            threading.Thread(target=_serve, args=(wire, context, path), daemon=True).start()


def _serve(wire: socket.socket, context: ssl.SSLContext, path: str) -> None:
    with (
        suppress(OSError),
        wire,
        context.wrap_socket(wire, server_side=True) as client,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine,
    ):
        engine.connect(path)
        _carry(client, engine)


def _carry(client: ssl.SSLSocket, engine: socket.socket) -> None:
    """Carry bytes both ways until the engine has ended; the client's close_notify ends only its own direction."""
    client.settimeout(0)
    engine.settimeout(0)
    hearing, inward, outward = True, b"", b""
    while True:
        sources = [client] * (hearing and not inward) + [engine] * (not outward)
        sinks = [engine] * bool(inward) + [client] * bool(outward)
        ready, _, _ = select.select(sources, sinks, [], 5)
        if hearing and not inward and (heard := _read(client)) is not None:
            inward, hearing = heard, bool(heard)
            if not hearing:
                engine.shutdown(socket.SHUT_WR)
        if engine in ready:
            outward = engine.recv(_CHUNK)
            if not outward:
                return
        inward, outward = _write(engine, inward), _write(client, outward)


def _read(line: socket.socket) -> bytes | None:
    """Return what has come, empty at the end; None where nothing has."""
    try:
        return line.recv(_CHUNK)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None


def _write(line: socket.socket, data: bytes) -> bytes:
    """Return what could not be sent yet."""
    try:
        return data[line.send(data) :] if data else b""
    except (ssl.SSLWantWriteError, BlockingIOError):
        return data
