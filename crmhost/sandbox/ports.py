"""Ports of the loopback that a sandbox's site may keep."""

from __future__ import annotations

import random
import socket

RANGE = range(10_000, 32_768)
"""Below what the kernel takes for connections (32768 to 60999): a connection that got a site's port while the site was
down would keep it from coming back."""


def free_port() -> int:
    """Return a loopback port that nobody has now; another one, almost surely, than anybody else was given."""
    while True:
        port = random.choice(RANGE)  # noqa: S311 - nothing secret
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
