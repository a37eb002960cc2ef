"""A way to a release's web process from here, whether the ingress sends customers to it or not.

Each connection is a program in the web container that joins its streams to the web process: so it works over whatever
way the engine is reached, and nothing is published on the host.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import BinaryIO, cast

from crm.errors import CrmhostError
from infra.engine.engine import Engine
from infra.engine.stream import Streams
from infra.naming import WEB_PORT
from infra.slots import PYTHON

LONGEST = 120.0
"""Seconds that one connection may last."""


@contextmanager
def inside(engine: Engine, container: str) -> Iterator[tuple[str, int]]:
    """Give a loopback address at which the container's web process answers for as long as this is held."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        accepting = threading.Thread(target=_accept, args=(listener, engine, container), name="inside", daemon=True)
        accepting.start()
        try:
            yield host, port
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, engine: Engine, container: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_join, args=(line, engine, container), name="inside", daemon=True).start()


def _join(line: socket.socket, engine: Engine, container: str) -> None:
    script = resources.files("infra.probe").joinpath("relay.py").read_text(encoding="utf-8")
    argv = (PYTHON, "-I", "-c", script, str(WEB_PORT))
    with line, line.makefile("rb", buffering=0) as source:
        streams = Streams(cast(BinaryIO, source), out=cast(BinaryIO, _Sink(line)))
        with contextlib.suppress(CrmhostError, OSError):
            engine.stream(container, argv, streams, timeout=LONGEST)
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)  # a thread still reads from it, and closing alone would not end that


class _Sink(io.RawIOBase):
    def __init__(self, line: socket.socket) -> None:
        super().__init__()
        self._line = line

    def write(self, data: bytes) -> int:  # type: ignore[override]  # typeshed has a private type here
        self._line.sendall(data)
        return len(data)
