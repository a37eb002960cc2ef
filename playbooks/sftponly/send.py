"""Sending a pack: from where an upload of the same bytes was cut, and unpacked while it is on its way."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from crm.errors import HostError
from playbooks.sftponly.installer import Installer, int_of
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.line import Line
from playbooks.sftponly.pack import Pack
from playbooks.sftponly.sftp import Files

_STEP = 2 << 20  # bytes that are waited for between two looks at an upload
_TOLD = 8 << 20  # bytes between two lines about it


class Say(Protocol):
    """Tells people, and the journal on the host, what is done."""

    def __call__(self, subject: str, state: str, detail: str = "") -> None:
        """Tell one thing."""
        ...


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends under the lock. confirm: raises LockHeld when the lock is not ours any more."""

    files: Files
    installer: Installer
    layout: Layout
    say: Say
    confirm: Callable[[], None]

    def send(self, pack: Pack) -> None:
        """Upload a pack; raises HostError unless all of it arrived."""
        for _ in self._under_way(pack):
            pass

    def unpacked(self, pack: Pack, into: str, listed: str) -> None:
        """Upload a pack and let PHP make a tree of it, whose list is written last; each file's digest is compared.

        PHP is asked while the upload goes on: on a line that is slower than PHP, next to nothing is left at its end.
        """
        given = {"pack": pack.name, "into": into, "list": listed}
        at, place, enough = 0, None, 0
        for size in self._under_way(pack):
            if size < enough:
                continue
            answer = self.installer.ask("unpack_tree", at=at, place=place, grows=True, **given)
            stuck = int_of(answer, "at") == at  # in a large file, which is begun anew each time: so ever more seldom
            at, place, enough = int_of(answer, "at"), answer.get("place"), 2 * size if stuck else 0
        self.say("unpack", "begin")
        for _ in self.installer.slices("unpack_tree", at, place, **given):
            self.confirm()
        self.say("unpack", "done")

    def _under_way(self, pack: Pack) -> Iterator[int]:
        """Upload, and yield now and then how many bytes the host has; raises HostError unless all of them arrived."""
        path = self.layout.below(pack.name)
        self.files.folder(posixpath.dirname(path))
        at = self._there(pack, path)
        size, over, told = at, False, at - _TOLD
        with Line(self.files.another(), pack.pieces(at), path, at) as line:
            while not over:
                size, over = line.reach(size + _STEP)
                if size - told >= _TOLD and not over:
                    self.say("upload", "note", f"{size >> 20} MiB are there")
                    told = size
                self.confirm()
                if not over:
                    yield size
        there = self.files.entry(path)
        if there is None or there.size != size:
            self.files.drop(path)
            raise HostError(
                f"{path}: of {size} bytes that were sent {there.size if there is not None else 0} arrived",
                "Look at the quota in the control panel, and run the command again.",
            )
        self.say("upload", "done", f"{size - at} bytes were sent")

    def _there(self, pack: Pack, path: str) -> int:
        """Return how many bytes of the pack the host has already."""
        there = self.files.entry(path)
        if there is None or not there.size:
            return 0
        seen = self.installer.ask("digest", file=pack.name)
        size = int_of(seen, "size")
        if seen.get("sha256") != pack.prefix(size):
            return 0
        self.say("upload", "note", f"goes on after {size} bytes")
        return size
