"""Runs in a container of a release: asks whether it is ready, prints the answer, exits 0 only when it is the right one.

    probe.py ADDRESS DATABASE METHOD PATH HOST SCHEME PATTERN

In the container of the web process (CRMHOST_PROCESS says which one this is) the web process at ADDRESS is asked as the
ingress would ask it, and `STATUS BODY` must match PATTERN. In the others nothing listens: there the database must
answer. It runs every few seconds and in every health check, so it imports little and needs no package.
"""

import os
import re
import socket
import sys

SECONDS = 10.0
BODY = 1 << 20
"""How many bytes of a page are read."""
SHOWN = 4000
"""How many characters of an answer are printed."""
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""PostgreSQL's own "do you speak TLS?": every server answers it with S or N, before any log-in."""


def main() -> int:
    """Ask what this container is to ask; return the exit code."""
    address, database, method, path, host, scheme, pattern = sys.argv[1:]
    if os.environ.get("CRMHOST_PROCESS", "web") == "web":
        answer = page(address, method, path, {"Host": host, "X-Forwarded-Proto": scheme, "Connection": "close"})
    else:
        answer, pattern = greeting(database), "^database answers"
    print(answer[:SHOWN])  # noqa: T201 - the answer
    return 0 if re.search(pattern, answer, re.DOTALL) else 1


def page(address: str, method: str, path: str, headers: "dict[str, str]") -> str:
    """Return `STATUS BODY`; a redirect is an answer like any other, and so is none.

    HTTP/1.0, whose answers end with the connection: http.client would double what the start of this program costs.
    """
    lines = [f"{method} {path} HTTP/1.0", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    try:
        with connect(address) as connection:
            connection.sendall("\r\n".join(lines).encode())
            answer = b""
            while len(answer) < BODY and (more := connection.recv(65536)):
                answer += more
    except OSError as error:
        return f"no answer: {type(error).__name__}: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.decode(errors="replace").split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith("HTTP/"):
        return f"no answer: {head[:80]!r} is no HTTP"
    return f"{words[1]} {body.decode(errors='replace')}"


def greeting(address: str) -> str:
    """Return whether a PostgreSQL server answers there."""
    try:
        with connect(address) as connection:
            connection.sendall(SSL_REQUEST)
            return "database answers" if connection.recv(1) in {b"S", b"N"} else "no answer: that is no PostgreSQL"
    except OSError as error:
        return f"no answer: {type(error).__name__}: {error}"


def connect(address: str) -> socket.socket:
    """Return a connection to `host:port`."""
    name, _, port = address.rpartition(":")
    return socket.create_connection((name, int(port)), timeout=SECONDS)


if __name__ == "__main__":
    sys.exit(main())
