"""What is wrong, or odd, in a contract file: where, what was found, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]
Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake (error) or oddity (warning) of a file.

    `line` counts from 1; `path` is the place in the file (`sla.credit.cap`, `monitor.vantages[1]`), empty for the
    file as a whole; `found` and `remedy` are sentences without a full stop.
    """

    file: str
    line: int
    path: str
    found: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        """Return `file:line: path: found …; remedy`, with `warning:` before the path where it is one."""
        warning = "warning: " if self.severity == "warning" else ""
        place = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: {warning}{place}found {self.found}; {self.remedy}"

    def as_json(self) -> dict[str, str | int]:
        """Return the problem for `--json`."""
        return {
            "severity": self.severity,
            "file": self.file,
            "line": self.line,
            "path": self.path,
            "found": self.found,
            "remedy": self.remedy,
        }


def path_text(path: Path) -> str:
    """Return a place as people write it: `monitor.vantages[1]`."""
    written = ""
    for part in path:
        written += f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" if written else _shown(part)
    return written


def quoted(text: str) -> str:
    """Return a text from a file as it can be shown: short, on one line, without control characters."""
    return f"'{_shown(text)}'"


def _shown(text: str) -> str:
    shown = "".join(
        c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}" for c in text[:61]
    )
    return f"{shown[:60]}…" if len(shown) > 60 else shown
