"""State files that a crash left empty or cut off, brought back from the copies that Pulumi keeps.

Beside each of its files Pulumi writes a small `.attrs`, and not atomically: a kill at that moment leaves an empty one,
with which Pulumi cannot read the file itself any more. Without one it can, so such are removed. The state itself is
replaced by its newest whole copy. That may lack the last thing that was done; so what is on the engine is asked
afterwards (infra.recovery).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from crm.errors import CrmhostError
from infra.backend import StateFiles, deployment_of


def mend(files: StateFiles) -> tuple[str, ...]:
    """Bring what is damaged back; returns what was done. The damaged state is kept beside the new one.

    Raises CrmhostError where no copy is whole.
    """
    cut = trim(files)
    try:
        content = files.state.read_bytes()
    except FileNotFoundError:
        return cut  # no stack, or one that was removed: that leaves only a copy
    if deployment_of(content) is not None:
        return cut
    for copy in copies(files):
        whole = copy.read_bytes()
        if deployment_of(whole) is not None:
            files.state.replace(files.state.with_name(f"{files.state.name}.damaged"))
            _write(files.state, whole)
            return (*cut, f"the state {files.state.name} was damaged and is now what {copy.name} held")
    raise CrmhostError(
        f"{files.state}: is damaged, and so is every copy that Pulumi kept",
        "Restore .crmhost from a backup of the fleet; the customer's containers go on as they are.",
    )


def trim(files: StateFiles) -> tuple[str, ...]:
    """Remove the `.attrs` that a kill left unfinished; returns what was done. Right at any time, whoever is at work."""
    return tuple(f"removed the unfinished {path.name}" for path in _sidecars(files) if _unlinked(path))


def copies(files: StateFiles) -> Iterator[Path]:
    """Yield the copies that there are, the newest first."""
    if files.previous.is_file():
        yield files.previous
    if files.history.is_dir():
        yield from sorted(files.history.glob("*.checkpoint.json"), reverse=True)


def _sidecars(files: StateFiles) -> Iterator[Path]:
    yield files.root / ".pulumi" / "meta.yaml.attrs"
    yield from (path.with_name(path.name + ".attrs") for path in (files.state, files.previous))
    for folder in (files.locks, files.history):
        yield from sorted(folder.glob("*.attrs")) if folder.is_dir() else ()


def _unlinked(path: Path) -> bool:
    """Remove a file that is there and no JSON."""
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        path.unlink(missing_ok=True)
        return True
    return False


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.mended")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
