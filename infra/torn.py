"""A state file that a crash or a full disk left empty or cut off is brought back from the copies that Pulumi keeps.

The newest copy may lack the last thing that was done; so what is on the engine is asked afterwards (infra.recovery).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from crm.errors import CrmhostError
from infra.backend import StateFiles, deployment_of


def mend(files: StateFiles) -> str | None:
    """Bring a damaged state back; returns what was done, or None where nothing was damaged.

    The damaged file is kept beside it. Raises CrmhostError where no copy is whole.
    """
    try:
        content = files.state.read_bytes()
    except FileNotFoundError:
        return None  # no stack, or one that was removed: that leaves only a copy
    if deployment_of(content) is not None:
        return None
    for copy in copies(files):
        whole = copy.read_bytes()
        if deployment_of(whole) is not None:
            files.state.replace(files.state.with_name(f"{files.state.name}.damaged"))
            _write(files.state, whole)
            return f"the state {files.state.name} was damaged and is now what {copy.name} held"
    raise CrmhostError(
        f"{files.state}: is damaged, and so is every copy that Pulumi kept",
        "Restore .crmhost/pulumi from a backup. Without one: crmhost backup, destroy and restore on another host.",
    )


def copies(files: StateFiles) -> Iterator[Path]:
    """Yield the copies that there are, the newest first."""
    if files.previous.is_file():
        yield files.previous
    if files.history.is_dir():
        yield from sorted(files.history.glob("*.checkpoint.json"), reverse=True)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.mended")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
