"""Runs on the host: a release's web process on a spare loopback port, for as long as somebody wants it.

Standard input begins with one line, a JSON object: `candidate` as in `ask`, and `patience` (seconds). Prints one JSON
line once it takes connections: `port`, or `died`, its exit code, when it does not. It ends with standard input.
"""

import json
import signal
import socket
import subprocess
import sys
import time

from playbooks.onhost.ask import PAUSE, end, spare_address, start


def wait(process: "subprocess.Popen[bytes]", address: str, patience: float) -> bool:
    """Wait until the address takes connections; False when the process has ended, or patience has run out."""
    host, _, port = address.rpartition(":")
    until = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), 1.0).close()
        except OSError:
            time.sleep(PAUSE)
        else:
            return True
    return False


def main() -> None:
    """Hold it."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    spec = json.loads(sys.stdin.buffer.readline())
    address = spare_address()
    process = start(spec["candidate"], address)
    try:
        up = wait(process, address, spec["patience"])
        said = {"port": int(address.rpartition(":")[2])} if up else {"died": process.poll()}
        print(json.dumps(said), flush=True)  # noqa: T201 - the answer
        while up and sys.stdin.buffer.read(1 << 16):
            pass
    finally:
        end(process, spec["candidate"]["stop"])
