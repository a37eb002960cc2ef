"""A way to a release's web process on a host from here, whether customers are sent to it or not.

The process runs on a spare loopback port of the host for as long as the way is held. Each connection is a program on
the host that joins its streams to that port: so it works where the SSH server forwards no connection.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from crm.errors import GateFailed, HostError
from playbooks.host import Host
from playbooks.mover.talk import Talk, talking
from playbooks.programs import program
from playbooks.shell import Sh

_CHUNK = 1 << 16


@contextmanager
def inside(
    host: Host, python: str | Sh, candidate: Mapping[str, Any], log: str, patience: float
) -> Iterator[tuple[str, int]]:
    """Give a loopback address here at which the candidate's web process answers for as long as this is held.

    candidate: see `playbooks.onhost.ask`. Raises GateFailed when it does not begin to listen within `patience` seconds.
    """
    spec = json.dumps({"candidate": candidate, "patience": patience}).encode()
    with talking(host, "the web process could not be started", program("hold", python), log) as talk:
        talk.send(spec + b"\n")
        with joined(host, python, _port(talk), log) as here:
            yield here


@contextmanager
def joined(host: Host, python: str | Sh, port: int, log: str) -> Iterator[tuple[str, int]]:
    """Give a loopback address here that leads to a loopback port of the host for as long as this is held."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here: tuple[str, int] = listener.getsockname()
        relay = program("relay", python, str(port))
        threading.Thread(target=_accept, args=(listener, host, relay, log), name="inside", daemon=True).start()
        try:
            yield here
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _port(talk: Talk) -> int:
    line = b""
    while not line.endswith(b"\n") and (data := talk.some(1)):
        line += data
    try:
        told = json.loads(line)
    except ValueError as error:
        raise HostError("the web process could not be started: the program on the host ended early") from error
    if "port" not in told:
        raise GateFailed("the web process takes no connections", f"its exit code: {told.get('died')}")
    return int(told["port"])


def _accept(listener: socket.socket, host: Host, relay: Sh, log: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_join, args=(line, host, relay, log), name="inside", daemon=True).start()


def _join(line: socket.socket, host: Host, relay: Sh, log: str) -> None:
    with line, contextlib.suppress(HostError, OSError), talking(host, "a connection", relay, log) as talk:
        feeding = threading.Thread(target=_feed, args=(line, talk), name="inside", daemon=True)
        feeding.start()
        while data := talk.some(_CHUNK):
            line.sendall(data)
        line.shutdown(socket.SHUT_RDWR)  # a thread still reads from it, and closing alone would not end that


def _feed(line: socket.socket, talk: Talk) -> None:
    with contextlib.suppress(HostError, OSError):
        while data := line.recv(_CHUNK):
            talk.send(data)
        talk.end()
