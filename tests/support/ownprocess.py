"""A module of these tests in a process of its own, which a test may kill: it prints a line for each event."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from crm.plan import Event


@contextmanager
def running(module: str, given: Mapping[str, object]) -> Iterator[subprocess.Popen[str]]:
    """Run it with this on its standard input, as JSON; what is left of it ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        json.dump(given, process.stdin)
        process.stdin.close()
        try:
            yield process
        finally:
            process.kill()


def say(event: Event) -> None:
    """Print `STATE SUBJECT` of an event."""
    sys.stdout.write(f"{event.state} {event.subject}\n")
    sys.stdout.flush()
