"""What the host remembers of the last upgrade of the database's schema, so that a crash at any point converges."""

from __future__ import annotations

from crm.crossing import decode, encode
from crm.plan import Crossing
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.sftp import Files

_FOLDER = "memory"
"""Of its own: where a server cannot rename in one step, a killed write leaves something beside it."""


def recall(files: Files, layout: Layout) -> Crossing | None:
    """Return what it remembers; raises HostError for a text that makes no sense."""
    path = _path(layout)
    raw = files.read(path)
    return None if raw is None else decode(raw, path)


def remember(files: Files, layout: Layout, crossing: Crossing | None) -> None:
    """Write it, whole or not at all."""
    files.folder(layout.below(_FOLDER))
    if crossing is None:
        files.drop(_path(layout))
    else:
        files.write(_path(layout), encode(crossing))


def mend(files: Files, layout: Layout) -> None:
    """Take back a write that was killed between two renames."""
    files.mend(_path(layout))


def _path(layout: Layout) -> str:
    return layout.below(f"{_FOLDER}/crossing")
