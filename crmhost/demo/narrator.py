"""Telling the story: named steps with their times, on a terminal as they happen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from crmhost.output import table


class Narrator:
    """Prints the steps of the story to `stream`; every line says how far into the story it is."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._begun = clock()

    @property
    def seconds(self) -> float:
        """Return how long the story has lasted."""
        return self._clock() - self._begun

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and say how long it took."""
        begun = self._clock()
        self._print(f"\n{title}")
        yield
        self._print(f"     {self._clock() - begun:.1f} s")

    def say(self, text: str) -> None:
        """Say what happens inside a step."""
        self._print(f"     {text}")

    def result(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print the table at the end."""
        self._print("")
        for line in table(("", ""), rows).splitlines()[1:]:
            self._print(f"  {line}")

    def _print(self, text: str) -> None:
        lead = "" if text.startswith(("\n", " ")) or not text else "  "
        if text.startswith("\n"):
            text = f"\n[{self.seconds:5.1f} s] {text[1:]}"
        print(f"{lead}{text}", file=self._stream, flush=True)
