"""The tree of an archive: which files it has, and what a host lacks of them. Hostile names are refused here first."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from crm.errors import CrmhostError, Refused
from playbooks.terminal import safe_line

MOST_FILES = 200_000
MOST_BYTES = 4 << 30
LONGEST = 1000  # bytes of a path
_UNSEEN = frozenset(("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))
"""What no name has: control and format characters, those of nobody's, bytes that are no UTF-8, ends of lines."""
_FORBIDDEN = frozenset("\\\"'`:*?<>|")


@dataclass(frozen=True, slots=True)
class Member:
    """One file. sha256: hex; size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a tree by path. Its text, and so its digest, is the same on the host."""

    members: Mapping[str, Member]

    @property
    def text(self) -> str:
        """Return lines of `SHA-256 SIZE PATH`, sorted by path as bytes."""
        found = (self.members[path] for path in sorted(self.members))
        return "".join(f"{one.sha256} {one.size} {one.path}\n" for one in found)

    @property
    def sha256(self) -> str:
        """Return the digest of the text (hex)."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def listing(members: Iterable[Member]) -> Listing:
    """Return the listing of these files."""
    return Listing({one.path: one for one in members})


def parse(text: str, where: str) -> Listing:
    """Return the listing of a text that the host keeps; raises CrmhostError where it is none."""
    members = []
    try:
        for line in text.splitlines():
            sha256, size, path = line.split(" ", 2)
            members.append(Member(check_name(path), sha256, int(size)))
    except (ValueError, Refused) as error:
        raise CrmhostError(f"{where} is not a list of files", "Deploy again: it is written anew.") from error
    return listing(members)


@dataclass(frozen=True, slots=True)
class Delta:
    """What a host lacks that has `base`: files to send, and paths that go. base None: everything is sent."""

    files: tuple[Member, ...]
    gone: tuple[str, ...]
    base: Listing | None

    @property
    def bytes(self) -> int:
        """Return the bytes of the files that are sent, unpacked."""
        return sum(one.size for one in self.files)


def delta(want: Listing, base: Listing | None, altered: Iterable[str] = ()) -> Delta:
    """Return what a host lacks of `want`; `altered`: paths of the base that are not on the host as the base says."""
    has = {} if base is None else base.members
    spoilt = frozenset(altered)
    files = [one for path, one in sorted(want.members.items()) if path in spoilt or has.get(path) != one]
    return Delta(tuple(files), tuple(sorted(has.keys() - want.members.keys())), base)


def check_name(path: str) -> str:
    """Return the path of a file in an archive; raises Refused for one that a host must not be asked to make."""
    names = path.split("/")
    if (
        any(unicodedata.category(character) in _UNSEEN for character in path)
        or len(path.encode(errors="replace")) > LONGEST
        or any(name in ("", ".", "..") or _FORBIDDEN & set(name) for name in names)
    ):
        raise Refused(
            f"the archive has a file called {safe_line(ascii(path), 120)}, a name that is not unpacked on a host",
            "Nothing was sent. Names are plain: no .., no quotes, nothing that is not seen.",
        )
    return path


class Tree:
    """An archive, read once: its files' bytes lie in a temporary file. A context manager."""

    def __init__(self, archive: Path, leave_out: Iterable[str] = ()) -> None:
        """Read a .tar.gz; `leave_out`: paths that are not wanted, with all below them. Raises Refused for its names."""
        self._spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by __exit__
        self._places: dict[str, int] = {}
        try:
            self.listing = listing(self._read(archive, tuple(f"{path}/" for path in leave_out)))
        except tarfile.TarError as error:
            self._spool.close()
            raise CrmhostError(f"{archive}: is no whole .tar.gz: {error}", "Delete it; it is fetched again.") from error
        except BaseException:
            self._spool.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    def read(self, member: Member) -> Iterator[bytes]:
        """Yield a file's bytes; of one file at a time."""
        self._spool.seek(self._places[member.path])
        left = member.size
        while left:
            data = self._spool.read(min(left, 1 << 20))
            yield data
            left -= len(data)

    def _read(self, archive: Path, out: tuple[str, ...]) -> Iterable[Member]:
        found: dict[str, Member] = {}
        total = 0
        with tarfile.open(archive, "r|gz") as tar:
            for info in tar:
                path = info.name.rstrip("/")
                if info.isdir():
                    if path not in (".", ""):
                        check_name(path)
                    continue
                if not info.isfile():
                    raise Refused(
                        f"the archive has {safe_line(ascii(path), 120)}, which is a link or a device",
                        "Nothing was sent: only folders and plain files are unpacked on a host.",
                    )
                check_name(path)
                if path in found:
                    raise Refused(f"the archive has {path} twice", "Nothing was sent.")
                total += info.size
                if total > MOST_BYTES or len(found) >= MOST_FILES:
                    raise Refused(
                        f"the archive has more than {MOST_FILES} files or {MOST_BYTES >> 30} GiB", "Nothing was sent."
                    )
                if not f"{path}/".startswith(out):
                    found[path] = self._spooled(path, tar.extractfile(info), info.size)
        return found.values()

    def _spooled(self, path: str, source: IO[bytes] | None, size: int) -> Member:
        self._places[path] = self._spool.tell()
        hashing = _Hashing(self._spool)
        if source is not None:
            shutil.copyfileobj(source, hashing, 1 << 20)
        return Member(path, hashing.digest.hexdigest(), size)


class _Hashing:
    """Writes on, and keeps the digest."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._sink.write(data)
