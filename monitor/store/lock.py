"""One monitor for one database: two that probed into the same file would write each other's spans.

The kernel holds the lock, so it is free the moment its holder's process has ended, however that happened. Commands that
only read, announce or settle need no lock of this sort; SQLite's own is enough for them.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crm.errors import LockHeld


@contextmanager
def only_monitor(database: Path) -> Iterator[None]:
    """Hold the lock beside the database file for the length of the block. Raises LockHeld, naming the holder."""
    path = database.with_name(f"{database.name}.lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockHeld(
                f"{database}: another monitor is running on it ({_holder(path)}).",
                "Stop that one first, or give this one a database of its own.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        yield
    finally:
        os.close(descriptor)  # which frees the lock; the file stays, or a waiting process would lock a deleted one


def _holder(path: Path) -> str:
    try:
        said = json.loads(path.read_text())
        return f"process {int(said['pid'])} on {str(said['host'])[:100]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not said which process it is"
