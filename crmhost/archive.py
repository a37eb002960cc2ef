"""One form for every archive: a .tar.gz of plain files, whatever a project publishes, for hosts that only have tar.

It is made from bytes that were checked already. What could leave the folder that it is unpacked in is refused.
"""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from crm.errors import CrmhostError

MOST_BYTES = 4 << 30
"""No archive of a CRM unpacks to more; a small file that does was made to fill disks."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive: its path with `strip` components gone, and what it holds."""

    path: str
    size: int
    program: bool
    content: IO[bytes]


def normalise(source: Path, kind: str, strip: int, sink: BinaryIO) -> int:
    """Write the archive's files to `sink` as a .tar.gz, and return how many there were.

    kind: `zip`, or else a tar; strip: leading path components to drop. The outcome is the same for the same archive.
    Raises CrmhostError for links, devices, paths that leave the folder, names that come twice, and broken archives.
    """
    try:
        members = _zipped(source, strip) if kind == "zip" else _tarred(source, strip)
        with (
            gzip.GzipFile(fileobj=sink, mode="wb", filename="", mtime=0, compresslevel=6) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            return _write(tar, members, source)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise CrmhostError(
            f"{source}: cannot be unpacked: {error}",
            "Its checksum is right: is it an archive at all, and is there room?",
        ) from error


def _write(tar: tarfile.TarFile, members: Iterable[Member], source: Path) -> int:
    folders: set[str] = set()
    files: set[str] = set()
    total = 0
    for member in members:
        total += member.size
        if total > MOST_BYTES:
            raise CrmhostError(f"{source}: unpacks to more than {MOST_BYTES >> 30} GiB", "That is no CRM.")
        parts = member.path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        if member.path in files or member.path in folders or not files.isdisjoint(above):
            raise _bad(source, member.path, "comes twice")
        for folder in above:
            if folder not in folders:
                folders.add(folder)
                tar.addfile(_header(folder, 0, 0o755, tarfile.DIRTYPE))
        files.add(member.path)
        tar.addfile(_header(member.path, member.size, 0o755 if member.program else 0o644), member.content)
    if not files:
        raise CrmhostError(f"{source}: has no files below its first folder", "Is it the archive that was meant?")
    return len(files)


def _header(path: str, size: int, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path)
    header.size, header.mode, header.type = size, mode, kind
    return header


def _tarred(source: Path, strip: int) -> Iterator[Member]:
    with tarfile.open(source, "r:*") as tar:
        for entry in tar:
            path = _inside(source, entry.name, strip)
            if entry.isdir() or path is None:
                continue
            content = tar.extractfile(entry) if entry.isreg() else None
            if content is None:
                raise _bad(source, entry.name, "is a link or a device")
            yield Member(path, entry.size, bool(entry.mode & 0o100), content)


def _zipped(source: Path, strip: int) -> Iterator[Member]:
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            path = _inside(source, entry.filename, strip)
            if entry.is_dir() or path is None:
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise _bad(source, entry.filename, "is a link or a device")
            with archive.open(entry) as content:
                yield Member(path, entry.file_size, bool(mode & 0o100), content)


def _inside(source: Path, name: str, strip: int) -> str | None:
    """Return the path with its first components gone; None for what lies above them."""
    parts = [part for part in name.rstrip("/").split("/") if part != "."]
    if name.startswith("/") or "\\" in name or not all(parts) or ".." in parts or any(ord(each) < 32 for each in name):
        raise _bad(source, name, "would not stay in its folder, or has a name that no host should get")
    return "/".join(parts[strip:]) or None


def _bad(source: Path, name: str, why: str) -> CrmhostError:
    return CrmhostError(f"{source}: {name!r} {why}", "Such an archive is not unpacked; ask who published it.")
