"""Runs in a container of a release: joins its standard streams to the web process there.

relay.py PORT
"""

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
    """Hand both ways over until the web process closes its side."""
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as line:
        threading.Thread(target=feed, args=(line,), daemon=True).start()
        while data := line.recv(CHUNK):
            while data:
                data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
