"""Writing files so that nobody ever sees half of one, nor reads what is not meant for him."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from crm.errors import CrmhostError


def write_private(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write `content` to `path` whole or not at all; mode 0600 from the first byte, then `mode`.

    Raises CrmhostError when the file cannot be written.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise CrmhostError(
            f"{path}: cannot be written: {error.strerror}", "Check the folder and its rights."
        ) from error


def read_text(path: Path, *, limit: int = 1 << 20) -> str:
    """Return the text of a file of at most `limit` bytes; raises CrmhostError that names the file otherwise."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise CrmhostError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise CrmhostError(f"{path}: is larger than {limit} bytes", "Is it the file that was meant?")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CrmhostError(f"{path}: is not UTF-8 (byte {error.start})", "Save it as UTF-8.") from error
