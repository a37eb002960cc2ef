"""The counter in redis, in redis's own protocol: one command needs no library."""

from __future__ import annotations

import socket
import urllib.parse


def count(url: str, name: str) -> str:
    """Return the next number of the counter, or why there is none; a lost redis is no error of the application."""
    parts = urllib.parse.urlsplit(url)
    words = ("INCR", name)
    command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 6379), timeout=2) as connection:
            connection.sendall(command.encode())
            return connection.recv(1000).decode().strip().lstrip(":")
    except OSError as error:
        return f"no redis: {error}"
