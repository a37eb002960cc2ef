"""The image of a CRM that nobody publishes: built from its hashed requirements on the host, or taken from a registry.

An image is found again by its name, `crmhost/<recipe>:<version>-<digest>`; the digest covers all that it is made of.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import docker.errors

from crm.driver import Progress
from crm.errors import HostError, LockHeld
from crm.plan import Event
from crm.recipe import PipLock
from infra import naming
from infra.engine.client import refusal
from infra.engine.engine import Engine
from infra.engine.lock import Claim, hold
from infra.ingress.configuration import HOST
from infra.settings import HostSettings, Images

_FILES = ("Dockerfile", "install.sh", "check_python.py", "compile.py")
_TAIL = 15
_PATIENCE = 1800.0
"""Seconds that one build may take, and that others wait for it."""
_PAUSE = 0.5
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_STEP = re.compile(r"Step (\d+/\d+) : (.*)")
_DANGLING = {"dangling": True, "label": "crmhost.stage=builder"}


def name_of(recipe: str, version: str, lock: PipLock, images: Images) -> str:
    """Return the image's name. Pure."""
    made_of = {
        "files": {name: _text(name) for name in _FILES},
        "lock": [lock.lock, lock.build, lock.python],
        "base": images.python,
    }
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return f"crmhost/{recipe}:{version}-{digest[:12]}"


def find(engine: Engine, recipe: str, version: str, lock: PipLock, images: Images) -> str | None:
    """Return the id of the image where the host has it; fetches and builds nothing."""
    name = name_of(recipe, version, lock, images)
    with engine.asking(name):
        try:
            return str(engine.client.image(name)["Id"])
        except docker.errors.ImageNotFound:
            return None


def build(engine: Engine, recipe: str, version: str, lock: PipLock, settings: HostSettings, progress: Progress) -> str:
    """Return the id of the image, after fetching it from the fleet's registry or building it (and pushing it there).

    Where another deploy builds the same image, that one is waited for. Raises HostError with the end of the log when
    the build fails, and for a disk that is full.
    """
    name = name_of(recipe, version, lock, settings.images)
    base = engine.image_id(settings.images.python)
    claim = Claim(f"crmhost-build-{name[-12:]}", base, naming.labels(HOST, "build"), f"build {name}", "crmhost")
    until = time.monotonic() + _PATIENCE
    while True:
        found = find(engine, recipe, version, lock, settings.images)
        if found is not None:
            return found
        try:
            with hold(engine, claim):
                return _made(engine, name, lock, settings, progress)
        except LockHeld:
            if time.monotonic() > until:
                raise
        time.sleep(_PAUSE)


def _made(engine: Engine, name: str, lock: PipLock, settings: HostSettings, progress: Progress) -> str:
    begun = time.monotonic()
    progress(Event("stage", f"image:{name}", "begin"))
    if settings.registry is None or not _pulled(engine, name, settings.registry):
        _build(engine, name, lock, settings, progress)
        if settings.registry is not None:
            _push(engine, name, settings.registry)
    with engine.asking(name):
        made = str(engine.client.image(name)["Id"])
    progress(Event("stage", f"image:{name}", "done", seconds=time.monotonic() - begun))
    return made


def _build(engine: Engine, name: str, lock: PipLock, settings: HostSettings, progress: Progress) -> None:
    said: deque[str] = deque(maxlen=_TAIL)
    oldest, too_new = (f"{major}.{minor}" for major, minor in lock.python)
    with engine.asking(name):
        lines = engine.client.build(
            fileobj=_context(lock, settings.images),
            custom_context=True,
            tag=name,
            buildargs={"BASE": settings.images.python, "PYTHON_FROM": oldest, "PYTHON_BELOW": too_new},
            network_mode=settings.images.network,
            labels={"crmhost.image": name},
            rm=True,
            forcerm=True,
            decode=True,
            timeout=int(_PATIENCE),
        )
        for line in lines:
            if "error" in line:
                raise _failed(name, str(line["error"]), said)
            for text in _printed(line):
                said.append(text)
                step = _STEP.match(text)
                if step is not None:
                    progress(Event("stage", f"image:{name}", "note", f"{step[1]} {step[2][:60]}"))
        engine.client.prune(_DANGLING)


def _failed(name: str, error: str, said: deque[str]) -> HostError:
    end = "\n".join(line for line in said if line.strip())
    found = refusal(name, f"{error}\n{end}")
    if found.remedy:
        return found
    return HostError(
        f"{name}: the image cannot be built: {_ESCAPES.sub('', error).strip()[:300]}\n{end}",
        "Packages that cannot be fetched: cloud.images.ca and cloud.images.network in crmhost.yaml say how builds reach"
        " them. The same command again goes on with what was built.",
    )


def _printed(line: Mapping[str, Any]) -> Iterator[str]:
    for text in _ESCAPES.sub("", str(line.get("stream", ""))).splitlines():
        if text.strip():
            yield "".join(letter for letter in text.rstrip() if letter.isprintable())


def _pulled(engine: Engine, name: str, registry: str) -> bool:
    remote, tag = _remote(name, registry)
    with engine.asking(f"{remote}:{tag}"):
        try:
            engine.client.pull(remote, tag)
            engine.client.image(f"{remote}:{tag}")
        except (docker.errors.NotFound, docker.errors.ImageNotFound):
            return False
        engine.client.tag(f"{remote}:{tag}", name.partition(":")[0], tag)
    return True


def _push(engine: Engine, name: str, registry: str) -> None:
    remote, tag = _remote(name, registry)
    with engine.asking(f"{remote}:{tag}"):
        engine.client.tag(name, remote, tag)
        for line in engine.client.push(remote, tag, stream=True, decode=True):
            if "error" in line:
                raise HostError(
                    f"{remote}:{tag}: the registry did not take the image: {line['error']}",
                    f"Does this account have the right to push there? docker login {registry.partition('/')[0]}",
                )


def _remote(name: str, registry: str) -> tuple[str, str]:
    recipe, _, tag = name.removeprefix("crmhost/").partition(":")
    return f"{registry.rstrip('/')}/{recipe}", tag


def _context(lock: PipLock, images: Images) -> io.BytesIO:
    """Return what the engine builds from, as an archive."""
    authority = b"" if images.authority is None else _read(images)
    files = {name: _text(name).encode() for name in _FILES}
    files |= {"lock.txt": lock.lock.encode(), "build.txt": lock.build.encode(), "authority.pem": authority}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def _read(images: Images) -> bytes:
    path = images.authority
    try:
        return b"" if path is None else path.read_bytes()
    except OSError as error:
        raise HostError(
            f"{path}: cannot be read: {error.strerror}", "Correct cloud.images.ca in crmhost.yaml."
        ) from error


def _text(name: str) -> str:
    return resources.files("infra.imagefiles").joinpath(name).read_text("utf-8")
