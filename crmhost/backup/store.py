"""Where sealed backups lie: a flat folder of files for each contract, of which each is there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

if TYPE_CHECKING:
    from crmhost.settings import Backups


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that is whole. version: differs whenever its content does; size in bytes."""

    name: str
    size: int
    version: str


class Guarded:
    """An open file of a store, whose errors are told as the store's; what its reader or writer does meets no guard."""

    def __init__(self, file: BinaryIO, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self._file = file
        self._guard = guard

    def read(self, size: int = -1) -> bytes:
        """Read."""
        with self._guard():
            return self._file.read(size)

    def write(self, data: bytes) -> int:
        """Write."""
        with self._guard():
            return self._file.write(data)

    def flush(self) -> None:
        """Do nothing: what counts is that the file is left without an error."""

    def as_stream(self) -> BinaryIO:
        """Return itself, as what it can stand for."""
        return cast(BinaryIO, self)


class Store(Protocol):
    """One contract's files. Every method raises CrmhostError that names the place, with a remedy."""

    @property
    def place(self) -> str:
        """Where it is, as people write it."""
        ...

    def entries(self) -> Sequence[Entry]:
        """Return the files that are whole, by name."""
        ...

    def reading(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file to be read from its beginning to its end."""
        ...

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file to be written; it appears, in place of one of that name, when this is left without an error."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...

    def sweep(self, before: int) -> int:
        """Remove what writes left that began before that instant (microseconds UTC) and died; return how many."""
        ...


def store_of(settings: Backups, contract: str, fleet: Path, environment: Mapping[str, str]) -> Store:
    """Return where a fleet's settings keep the backups of a contract; nothing is reached yet."""
    if settings.to.startswith("s3://"):
        from crmhost.backup.bucket import Bucket, Credentials

        return Bucket(f"{settings.to.rstrip('/')}/{contract}", Credentials.of(settings, environment))
    from crmhost.backup.folder import Folder

    return Folder(fleet / Path(settings.to).expanduser() / contract)
