"""Runs on the host: the customer's files as a tar, and back into a folder beside them.

What the CRM changes meanwhile is no error: a file that went is left out, one that shrank is filled up with zeros, as
tar does. What comes back never leaves its folder, whatever its names and links say.
"""

import io
import os
import pathlib
import shutil
import stat
import tarfile
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO, cast


class Padded(io.RawIOBase):
    """A file that has as many bytes as it had when it was opened."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Read; past the end there are zeros."""
        data = self._file.read(size)
        return data + bytes(max(0, size - len(data)))


def pack(root: str, paths: Sequence[str], sink: BinaryIO) -> None:
    """Write a tar of those paths below the root that are there; names are relative to it."""
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in paths:
            for name in _below(root, path):
                _add(tar, root, name)
                tar.members = []  # type: ignore[attr-defined]  # typeshed lacks it; there may be a million files


def unpack(source: BinaryIO, root: str) -> None:
    """Unpack a tar into an empty folder; raises OSError for a name that leaves it or lies below a link."""
    modes: list[tuple[str, int]] = []
    with tarfile.open(fileobj=source, mode="r|") as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # as above
            _extract(tar, member, root, modes)
    while source.read(1 << 16):  # what fills the tar's last record up
        pass
    for path, mode in reversed(modes):
        pathlib.Path(path).chmod(mode)


def count(root: str) -> "tuple[int, int]":
    """Return how many files lie below the root, and their bytes; those of one file with two names once."""
    sizes: dict[int, int] = {}
    files = 0
    for top, _, names in os.walk(root):
        for name in names:
            found = os.lstat(os.path.join(top, name))  # noqa: PTH118 - a million Path objects are slow
            if stat.S_ISREG(found.st_mode):
                files, sizes[found.st_ino] = files + 1, found.st_size
    return files, sum(sizes.values())


def swap(incoming: str, outgoing: str, root: str, stays: Sequence[str], folders: Sequence[str]) -> None:
    """Put what was unpacked in the place of all that lies in the root but for the names that stay.

    Then the folders are made there, as a release expects them. What was replaced is removed.
    """
    there, gone = pathlib.Path(root), pathlib.Path(outgoing)
    gone.mkdir(mode=0o700)
    for path in sorted(there.iterdir()):
        if path.name not in stays:
            path.rename(gone / path.name)
    for path in sorted(pathlib.Path(incoming).iterdir()):
        path.rename(there / path.name)
    for folder in folders:
        (there / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    settle(root)
    shutil.rmtree(gone)


def settle(folder: str) -> None:
    """Let what was renamed in a folder outlive a crash of the host."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _below(root: str, path: str) -> Iterator[str]:
    """Yield a path and all that lies below it, folders before what is in them; links are not followed."""
    try:
        mode = os.lstat(os.path.join(root, path)).st_mode  # noqa: PTH118 - as above
        names = sorted(os.listdir(os.path.join(root, path))) if stat.S_ISDIR(mode) else []  # noqa: PTH118,PTH208
    except FileNotFoundError:
        return
    yield path
    for name in names:
        yield from _below(root, f"{path}/{name}")


def _add(tar: tarfile.TarFile, root: str, name: str) -> None:
    path = f"{root}/{name}"
    try:
        found = os.lstat(path)
        info = tarfile.TarInfo(name)
        info.mode, info.mtime = stat.S_IMODE(found.st_mode) & 0o777, int(found.st_mtime)
        if stat.S_ISDIR(found.st_mode):
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        elif stat.S_ISLNK(found.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115 - as above
            tar.addfile(info)
        elif stat.S_ISREG(found.st_mode):
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                info.size = os.fstat(file.fileno()).st_size
                tar.addfile(info, cast("IO[bytes]", Padded(file)))
    except FileNotFoundError:
        return  # it went meanwhile; nothing of it was written


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, root: str, modes: "list[tuple[str, int]]") -> None:
    path = pathlib.Path(root, member.name)
    _make_parents(path, root)
    if member.isdir():
        path.mkdir(mode=0o700, exist_ok=True)
        modes.append((str(path), member.mode & 0o777))
    elif member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        twin = pathlib.Path(root, member.linkname)
        _make_parents(twin, root)
        os.link(twin, path, follow_symlinks=False)
    elif member.isreg():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            content = tar.extractfile(member)
            if content is not None:
                shutil.copyfileobj(content, file)
            os.fchmod(file.fileno(), member.mode & 0o777)
        os.utime(path, (member.mtime, member.mtime))


def _make_parents(path: pathlib.Path, root: str) -> None:
    """Make the folders above a path; raises OSError where the path leaves the root, or leads through a link."""
    if ".." in path.parts or pathlib.Path(root) not in path.parents:
        raise OSError(f"{path}: leads out of {root}")
    for above in reversed(path.parents):
        if pathlib.Path(root) in above.parents and not above.is_dir():
            above.mkdir(mode=0o700)
        if pathlib.Path(root) in above.parents and above.is_symlink():
            raise OSError(f"{above}: is a link, and nothing can lie below it")
