"""Files over SFTP: the one layer that touches the host's files. What it cannot do is an error with a remedy."""

from __future__ import annotations

import contextlib
import posixpath
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm.errors import HostError
from playbooks.host import Host
from playbooks.terminal import safe_line

if TYPE_CHECKING:
    from paramiko import SFTPAttributes, SFTPClient, SFTPFile

PIECE = 32 << 10
"""Bytes of one write; what every server takes."""
WINDOW = 2 << 20
"""Bytes that are asked for at once, so that a slow way to the host is full."""


NEW, OLD = ".crmhost-new", ".crmhost-old"
"""What a file is called until it takes its place, and what was there while two renames are made."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at a path. kind: folder, file, link or other; size in bytes; changed: seconds, by the host's clock."""

    name: str
    kind: str
    size: int
    changed: int
    mode: int


class Files:
    """One SFTP channel, for one thread. Paths are relative to where SFTP begins, unless they begin with a slash."""

    def __init__(self, host: Host, timeout: float = 60.0) -> None:
        from paramiko import SSHException

        self._host = host
        self._gone = (SSHException, EOFError)
        self._client: SFTPClient = host.files(timeout)

    def another(self) -> Files:
        """Open a channel beside this one: while writes are under way on one, it must be asked nothing else."""
        return Files(self._host)

    def close(self) -> None:
        """End the channel."""
        self._client.close()

    def entry(self, path: str) -> Entry | None:
        """Return what lies at the path, not following a link; None: nothing."""
        with self._said(path):
            try:
                return _entry(posixpath.basename(path), self._client.lstat(path))
            except FileNotFoundError:
                return None

    def list(self, path: str) -> tuple[Entry, ...]:
        """Return what lies in a folder, sorted; nothing where there is none."""
        with self._said(path):
            try:
                found = [_entry(one.filename, one) for one in self._client.listdir_attr(path)]
            except FileNotFoundError:
                return ()
        return tuple(sorted(found, key=lambda entry: entry.name))

    def read(self, path: str, limit: int = 1 << 20) -> bytes | None:
        """Return a file's bytes; None where there is none. Raises HostError past `limit` bytes."""
        with self._said(path):
            try:
                with self._client.open(path, "rb") as file:
                    data = file.read(limit + 1)
            except FileNotFoundError:
                return None
        if len(data) > limit:
            raise HostError(f"{self._host.name}: {path} has more than {limit} bytes", "It is not a file of crmhost's.")
        return data

    def write(self, path: str, data: bytes, mode: int = 0o600) -> None:
        """Put a whole file in its place: `mode` before its first byte, then one rename over what was there.

        Until then it ends as it will: one of PHP with a password in it is run by a web server, never handed out.
        """
        new = _beside(path, NEW + posixpath.splitext(path)[1])
        with self._said(path):
            with contextlib.suppress(FileNotFoundError):
                self._client.remove(new)
            with self._client.open(new, "wb") as file:
                file.chmod(mode)
                file.write(data)
        self.replace(new, path)

    def create(self, path: str, data: bytes, mode: int = 0o600) -> bool:
        """Make a file that must not be there; tell whether it was made."""
        with self._said(path):
            try:
                with self._client.open(path, "wx") as file:
                    file.chmod(mode)
                    file.write(data)
            except OSError:
                if self.entry(path) is None:
                    raise
                return False
        return True

    def append(self, path: str, data: bytes) -> None:
        """Write at the end of a file."""
        with self._said(path), self._client.open(path, "ab") as file:
            file.write(data)

    def touch(self, path: str) -> None:
        """Give a file that is there the host's time of now; it is not made anew."""
        with self._said(path), self._client.open(path, "r+b") as file:
            file.write(b".")

    def upload(self, source: Iterable[bytes], path: str, at: int) -> Iterator[int]:
        """Write the source behind the first `at` bytes of a file, and yield how many it has after each write.

        Writes are not waited for one by one: whoever calls compares size and digest at the end.
        """
        with self._said(path), self._client.open(path, "r+b" if at else "wb") as file:
            file.chmod(0o600)
            file.seek(at)
            file.set_pipelined()
            done = at
            for data in source:
                for begin in range(0, len(data), PIECE):
                    piece = data[begin : begin + PIECE]
                    file.write(piece)
                    done += len(piece)
                    yield done

    @contextmanager
    def opened(self, path: str) -> Iterator[tuple[int, Iterator[bytes]] | None]:
        """Give a file's size in bytes, and its content in pieces, as it is now; None where there is no file.

        Raises HostError where it becomes shorter meanwhile.
        """
        file: SFTPFile | None = None
        with self._said(path), contextlib.suppress(FileNotFoundError):
            file = self._client.open(path, "rb")
        if file is None:
            yield None
            return
        with contextlib.closing(file):
            with self._said(path):
                size = file.stat().st_size or 0
            yield size, self._pieces(path, file, size)

    def _pieces(self, path: str, file: SFTPFile, size: int) -> Iterator[bytes]:
        """Read so much at once that a slow line is full, and no more than that is held."""
        for begin in range(0, size, WINDOW):
            end, data = min(begin + WINDOW, size), b""
            with self._said(path):
                # Where a file ends too early, what was asked for past its end is waited for until the time is over.
                if not begin or (file.stat().st_size or 0) >= end:
                    data = b"".join(file.readv([(at, min(PIECE, end - at)) for at in range(begin, end, PIECE)]))
            if len(data) != end - begin:
                raise HostError(f"{self._host.name}: {path} became shorter while it was read", "Run the command again.")
            yield data

    def folder(self, path: str, mode: int = 0o700) -> None:
        """Make a folder, with those above it, where it is missing."""
        if self.entry(path) is not None:
            return
        above = posixpath.dirname(path)
        if above not in ("", "/", "."):
            self.folder(above, mode)
        with self._said(path):
            self._client.mkdir(path, mode)
            self._client.chmod(path, mode)

    def link(self, target: str, path: str) -> float:
        """Make a link, in place of a link that is there; return for how many seconds none was there, see `replace`."""
        if self.target(path) == target:
            return 0.0
        new = _beside(path, NEW)
        self.drop(new)
        with self._said(path):
            self._client.symlink(target, new)
        return self.replace(new, path)

    def target(self, path: str) -> str | None:
        """Return where a link leads, as it is written; None: no link is there."""
        with self._said(path):
            try:
                return self._client.readlink(path)
            except OSError:
                return None

    def resolved(self, path: str) -> str:
        """Return the absolute path behind every link."""
        with self._said(path):
            return self._client.normalize(path)

    def rename(self, old: str, new: str) -> None:
        """Give a file or folder another name that nothing has; raises HostError where something has it."""
        with self._said(new):
            self._client.rename(old, new)

    def replace(self, old: str, new: str) -> float:
        """Let `old` take the name of `new`; return for how many seconds nothing had that name.

        One rename, so no time at all, where the server has OpenSSH's posix-rename; else two, as quick as can be.
        """
        with self._said(new):
            try:
                self._client.posix_rename(old, new)
            except OSError as error:
                if not _unsupported(error):
                    raise
            else:
                return 0.0
            if self.entry(new) is None:
                self._client.rename(old, new)
                return 0.0
            aside = _beside(new, OLD)
            self.drop(aside)
            begun = time.monotonic()
            self._client.rename(new, aside)
            self._client.rename(old, new)
            gap = time.monotonic() - begun
            self.drop(aside)
            return gap

    def torn(self, path: str) -> bool:
        """Tell whether a killed run stopped between the two renames that were to replace this."""
        return self.entry(path) is None and self.entry(_beside(path, OLD)) is not None

    def mend(self, path: str) -> bool:
        """Give what two renames were to replace its name back, where a killed run stopped between them."""
        if not self.torn(path):
            return False
        self.rename(_beside(path, OLD), path)
        return True

    def drop(self, path: str) -> None:
        """Remove a file or link, where there is one."""
        with self._said(path), contextlib.suppress(FileNotFoundError):
            self._client.remove(path)

    def drop_folder(self, path: str, keep: Sequence[str] = ()) -> None:
        """Remove a folder with what is in it, one by one, but for the names in `keep` just below it."""
        for entry in self.list(path):
            if entry.name in keep:
                continue
            below = f"{path}/{entry.name}"
            if entry.kind == "folder":
                self.drop_folder(below)
            else:
                self.drop(below)
        if not keep:
            with self._said(path), contextlib.suppress(FileNotFoundError):
                self._client.rmdir(path)

    @contextmanager
    def _said(self, path: str) -> Iterator[None]:
        try:
            yield
        except self._gone as error:
            raise self._host.lost(error) from error
        except TimeoutError as error:
            raise HostError(f"{self._host.name}: no answer in time about {path}", "Run the command again.") from error
        except UnicodeDecodeError as error:
            raise HostError(
                f"{self._host.name}: a name in {path} is no UTF-8", "Give it another name there."
            ) from error
        except OSError as error:
            if not self._host.up:
                raise self._host.lost(error) from error
            raise HostError(
                f"{self._host.name}: SFTP refused {path}: {safe_line(str(error.strerror or error), 300)}",
                "Look at the quota in the control panel and at the folder's permissions; then run the command again.",
            ) from error


def _beside(path: str, name: str) -> str:
    return posixpath.join(posixpath.dirname(path) or ".", name)


def _unsupported(error: OSError) -> bool:
    """Tell whether the server does not know a request, or does not allow it; OpenSSH says both in words alone."""
    return "unsupported" in str(error).lower() or "permission denied" in str(error).lower()


def _entry(name: str, seen: SFTPAttributes) -> Entry:
    mode = seen.st_mode or 0
    kinds = ((stat.S_ISDIR, "folder"), (stat.S_ISREG, "file"), (stat.S_ISLNK, "link"))
    kind = next((kind for holds, kind in kinds if holds(mode)), "other")
    return Entry(name, kind, seen.st_size or 0, int(seen.st_mtime or 0), stat.S_IMODE(mode))
