"""What moving a contract's data needs where there is SFTP alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from playbooks.sftponly.installer import Installer
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.release import Server
from playbooks.sftponly.sftp import Files

DUMP, INCOMING = "dump-", "incoming-"
"""How what lies on the host while data is moved is called, below the contract's folder; 16 hex digits follow."""
_OURS = re.compile(rf"({DUMP}|{INCOMING})[0-9a-f]{{16}}(\.[a-z.]+)?")
_SELDOM = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Way:
    """The way to one contract's data. say: subject, state, detail of what is done; confirm: the lock is still ours.

    confirm is called between slices, and raises where the lock is another's by now.
    """

    files: Files
    installer: Installer
    layout: Layout
    server: Server
    say: Callable[[str, str, str], None]
    confirm: Callable[[], None]


class Seldom:
    """Does something when it is called, but not again within some seconds."""

    def __init__(self, act: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._act = act
        self._clock = clock
        self._last = -_SELDOM

    def __call__(self) -> None:
        """Do it, if it is time again."""
        now = self._clock()
        if now - self._last >= _SELDOM:
            self._act()
            self._last = now


def leftovers(way: Way) -> tuple[str, ...]:
    """Remove what a killed run left of data that it moved, and return the names. Whoever calls holds the lock."""
    found = [entry for entry in way.files.list(way.layout.root) if _OURS.fullmatch(entry.name)]
    for entry in found:
        if entry.kind == "folder":
            way.installer.remove(entry.name, way.confirm)
        else:
            way.files.drop(way.layout.below(entry.name))
    return tuple(entry.name for entry in found)
