"""Reaching sandbox hosts, waiting for what happens on them, and an operator that can be killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crmhost.sandbox.host import Sandbox
from playbooks.connect import connect
from playbooks.host import Host

DEADLINE = 30.0  # seconds; generous, since nothing waits for it but a failing test


def reach(box: Sandbox, *, timeout: float = 15.0) -> Host:
    """Connect to a sandbox, as a fleet that meets it for the first time."""
    known = box.root / "known_hosts"
    return connect(box.address, known, key_file=box.key_file, accept_new=box.fingerprint.__eq__, timeout=timeout)


def until(holds: Callable[[], bool], what: str, deadline: float = DEADLINE) -> float:
    """Wait until the condition holds and return how long that took; fails when it does not."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > deadline:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


@contextmanager
def operator(box: Sandbox, source: str) -> Iterator[subprocess.Popen[str]]:
    """Run an operation in a process of its own that a test may kill: `source` finds `host` and the engine's names."""
    program = _OPERATOR + source
    with subprocess.Popen(
        [sys.executable, "-c", program, str(box.root), str(box.address.port)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


_OPERATOR = """\
import sys
from pathlib import Path
from crm.errors import CrmhostError
from playbooks.connect import Address, connect
from playbooks.session import lock
from playbooks.shell import Sh, sh
root, port = Path(sys.argv[1]), int(sys.argv[2])
address = Address("sandbox", "127.0.0.1", port)
host = connect(address, root / "known_hosts", key_file=root / "ssh" / "client", accept_new=lambda _: True)
def say(text):
    print(text, flush=True)
"""
