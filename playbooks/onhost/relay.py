"""Runs on the host: joins its standard streams to what listens at a loopback port: relay PORT."""

import os
import socket
import sys
import threading

CHUNK = 1 << 16


def feed(line: socket.socket) -> None:
    """Hand standard input over, to its end."""
    while data := os.read(0, CHUNK):
        line.sendall(data)
    line.shutdown(socket.SHUT_WR)


def main() -> None:
    """Hand both ways over until the other side closes its own."""
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as line:
        threading.Thread(target=feed, args=(line,), daemon=True).start()
        while data := line.recv(CHUNK):
            while data:
                data = data[os.write(1, data) :]
