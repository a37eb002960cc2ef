"""Timing acts that say themselves how long they took, interleaved, and the table with each one's ratio and bar."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Act = Callable[[], float]
"""Does something and returns the seconds that it took."""


def interleaved(acts: Mapping[str, Act], rounds: int) -> dict[str, float]:
    """Return the median seconds of each act over so many rounds, after one that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in acts}
    for turn in range(rounds + 1):
        for name, act in acts.items():
            seconds = act()
            if turn:
                taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


def command(argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None, expects: str = "") -> Act:
    """Return an act that runs a command. expects: what it must print, so that nothing is measured that did not work.

    The act raises RuntimeError when the command fails, or prints something else.
    """

    def run() -> float:
        begun = time.perf_counter()
        done = subprocess.run(
            argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - begun
        said = done.stdout + done.stderr
        if done.returncode != 0 or expects not in said:
            raise RuntimeError(
                f"{' '.join(argv[:3])} ended with {done.returncode}, without {expects!r}: {said[-3000:]}"
            )
        return seconds

    return run


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. measured: seconds (or round trips); beside: of what it is compared with; bar: times that.

    unit: of both; noted: what was compared.
    """

    what: str
    measured: float
    beside: float
    bar: float
    noted: str
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Return how many times the other it is."""
        return self.measured / self.beside

    @property
    def kept(self) -> bool:
        """Tell whether the bar is kept."""
        return self.ratio <= self.bar

    def cells(self) -> tuple[str, ...]:
        """Return the line's cells."""
        return (
            self.what,
            f"{self.measured:.2f} {self.unit}",
            f"{self.beside:.2f} {self.unit}",
            f"{self.ratio:.3f} x",
            f"{self.bar:.3f} x",
            "kept" if self.kept else "MISSED",
            self.noted,
        )


def show(rows: Sequence[Row]) -> None:
    """Print the table, and the machine's load beside it: figures of a busy machine are worth little."""
    head = ("what", "measured", "beside", "ratio", "bar", "", "compared with")
    lines = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"  (load {load()})", flush=True)


def load() -> str:
    """Return the machine's load averages of 1, 5 and 15 minutes, and how many processors it has."""
    return f"{' '.join(f'{one:.2f}' for one in os.getloadavg())} on {os.cpu_count()} processors"
