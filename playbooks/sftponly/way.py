"""What moving a contract's data needs where there is SFTP alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playbooks.sftponly.installer import Installer
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.release import Server
from playbooks.sftponly.sftp import Files


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
