"""A small process that outlives the one that opened a sandbox: when its input ends, it ends the sandbox's processes.

So even a kill -9 of the demo, or of a test run, leaves nothing running.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from crmhost.sandbox.processes import end


def start(cookie: str) -> subprocess.Popen[bytes]:
    """Start a guardian; closing its standard input makes it do its work and end."""
    return subprocess.Popen(  # noqa: S603 - this very interpreter and module
        [sys.executable, "-m", "crmhost.sandbox.guardian", cookie],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def main(cookie: str) -> None:
    """Wait for the end of standard input, then end the sandbox's processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while sys.stdin.buffer.read(1):
        pass
    end(cookie)


if __name__ == "__main__":
    main(sys.argv[1])
