"""Backups in a folder: of this machine, or of whatever is mounted there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from crm.errors import CrmhostError
from crmhost.backup.store import Entry, Guarded


@dataclass(frozen=True)
class Folder:
    """A folder; made, for its owner alone, when the first file is written to it."""

    path: Path

    @property
    def place(self) -> str:
        """Return its path."""
        return str(self.path)

    def entries(self) -> Sequence[Entry]:
        """Return the files that are whole, by name; none where there is no such folder."""
        if not self.path.exists():
            return ()
        with _explained(self.path, "cannot be listed"):
            found = [(one, one.stat()) for one in self.path.iterdir() if not one.name.startswith(".")]
        return tuple(
            sorted(
                (Entry(one.name, stat.st_size, f"{stat.st_ino}-{stat.st_mtime_ns}") for one, stat in found),
                key=lambda entry: entry.name,
            )
        )

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """Open a file."""
        guard = partial(_explained, self.path / name, "cannot be read")
        with guard():
            file = (self.path / name).open("rb")
        with file:
            yield Guarded(file, guard).as_stream()

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Write to a hidden file beside it and rename that once it is on the disk."""
        guard = partial(_explained, self.path / name, "cannot be written")
        with guard():
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{name}.", suffix=".partial")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield Guarded(file, guard).as_stream()
                with guard():
                    file.flush()
                    os.fsync(file.fileno())
            with guard():
                Path(temporary).replace(self.path / name)
                _settle(self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def remove(self, name: str) -> None:
        """Remove a file."""
        with _explained(self.path / name, "cannot be removed"):
            (self.path / name).unlink(missing_ok=True)

    def sweep(self, before: int) -> int:
        """Remove hidden files of writes that died."""
        with _explained(self.path, "cannot be listed"):
            left = [one for one in self.path.glob(".*.partial") if one.stat().st_mtime_ns // 1000 < before]
        for one in left:
            self.remove(one.name)
        return len(left)


def _settle(folder: Path) -> None:
    """Let a rename outlive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CrmhostError(
            f"{path}: {what}: {error.strerror}",
            "Check the folder, its rights and its disk (backups.to in crmhost.yaml).",
        ) from error
