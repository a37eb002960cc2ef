"""Timing whole commands, interleaved, so that a noisy machine disturbs all of them alike."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence


def medians(commands: Mapping[str, Sequence[str]], *, rounds: int, codes: tuple[int, ...] = (0,)) -> dict[str, float]:
    """Return the median wall seconds of each command over `rounds` interleaved rounds, after one that is not counted.

    Raises RuntimeError when a command ends with a code that is not in `codes`.
    """
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, argv in commands.items():
            start = time.perf_counter()
            run = subprocess.run(argv, capture_output=True, check=False)
            seconds = time.perf_counter() - start
            if run.returncode not in codes:
                raise RuntimeError(f"{name} ended with {run.returncode}: {run.stderr.decode()[-400:]}")
            if turn:
                taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


def show(rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Print rows of what, measured, against what, and the bar."""
    head = ("what", "measured", "beside", "bar")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(4)]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
