"""Files in and out of containers and volumes, as archives; a volume's through a container that never starts."""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import socket
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import docker.errors
import psutil

from infra.engine.client import Client
from infra.naming import LABEL_CONTRACT, LABEL_ROLE

SHELF = "crmhost/shelf:1"
"""An image without a file, made on the engine itself: what never starts needs none."""
LABEL_MAKER = "crmhost.maker"
"""`PID BEGAN HOST` of the crmhost that made a shelf (BEGAN: seconds since 1970)."""
_IN = "/volume"


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume by name, where a plain text would be a container."""

    name: str


def put(client: Client, container: str, folder: str, files: Mapping[str, bytes], mode: int, uid: int) -> None:
    """Write the files (names relative to `folder`) in one archive, owner `uid`; each file appears whole."""
    client.put_archive(container, folder, _archive(files, mode, uid))


def get(client: Client, container: str, path: str) -> bytes | None:
    """Return the content of a file, or None where there is none."""
    try:
        chunks, _ = client.get_archive(container, path)
    except docker.errors.NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        for member in archive:
            found = archive.extractfile(member)
            if found is not None:
                return found.read()
    return None


@contextmanager
def place(client: Client, where: str | Volume, path: str) -> Iterator[tuple[str, str]]:
    """Give the container and the path in it at which `path` of a container or a volume is reached."""
    if isinstance(where, str):
        yield where, path
        return
    shelf = _shelf(client, where.name)
    try:
        yield shelf, posixpath.join(_IN, path.lstrip("/")).rstrip("/")
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            client.remove_container(shelf, force=True)


def shelf_image(client: Client) -> str:
    """Return the empty image, made where the engine lacks it."""
    try:
        client.image(SHELF)
    except docker.errors.NotFound:
        client.import_image_from_data(_archive({}, 0o755, 0), *SHELF.split(":"))
    return SHELF


def _shelf(client: Client, volume: str) -> str:
    labels = client.inspect_volume(volume).get("Labels") or {}
    maker = f"{os.getpid()} {psutil.Process().create_time():.2f} {socket.gethostname()}"
    own = {LABEL_ROLE: "shelf", LABEL_MAKER: maker} | {
        key: value for key, value in labels.items() if key == LABEL_CONTRACT
    }
    host = client.create_host_config(binds=[f"{volume}:{_IN}"], network_mode="none")
    name = f"{volume}-shelf-{uuid.uuid4().hex[:8]}"
    made = client.create_container(
        shelf_image(client),
        command=["true"],
        name=name,
        labels=own | {LABEL_ROLE: "shelf", LABEL_MAKER: maker},
        host_config=host,
    )
    return str(made["Id"])


def _archive(files: Mapping[str, bytes], mode: int, uid: int) -> bytes:
    packed, now = io.BytesIO(), int(time.time())
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for folder in sorted({parent for name in files for parent in _parents(name)}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.uid, entry.gid, entry.mtime = tarfile.DIRTYPE, 0o755, uid, uid, now
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid, entry.mtime = len(content), mode, uid, uid, now
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _parents(name: str) -> Iterator[str]:
    while name := posixpath.dirname(name):
        yield name
