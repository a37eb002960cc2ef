"""Waiting for what must come true, with a deadline: no test sleeps for a length that somebody guessed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(ask: Callable[[], T], what: str, seconds: float = 15) -> T:
    """Ask every 10 ms until the answer is true, and return it; fail, saying what did not come, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s; the last answer was {answer!r}")
        time.sleep(0.01)
    return answer
