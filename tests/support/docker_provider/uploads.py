"""Files that are put into a container before it starts, one archive each."""

from __future__ import annotations

import base64
import binascii
import io
import tarfile
from pathlib import Path

from tests.support.docker_provider.failures import Failed
from tests.support.docker_provider.values import Properties, flag, text


def packed(upload: Properties, now: float) -> bytes:
    """Return one uploaded file as an archive for the root; raises Failed where it has no content."""
    content = _content(upload)
    info = tarfile.TarInfo(text(upload, "file").lstrip("/"))
    info.size = len(content)
    info.mtime = now
    info.mode = int(text(upload, "permissions") or ("0744" if flag(upload, "executable") else "0644"), 8)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()


def _content(upload: Properties) -> bytes:
    given = [name for name in ("content", "contentBase64", "source") if text(upload, name)]
    if len(given) != 1:
        which = "only one of" if given else "one of"
        raise Failed(f"error with upload content: {which} 'content', 'content_base64', or 'source' must be set")
    match given[0]:
        case "content":
            return text(upload, "content").encode()
        case "source":
            return Path(text(upload, "source")).read_bytes()
        case _:
            try:
                return base64.b64decode(text(upload, "contentBase64"), validate=True)
            except binascii.Error as error:
                raise Failed(f"error with upload content: {error}") from error
