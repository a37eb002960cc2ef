"""The images that the cloud tests run: built once, of Debian's packages alone, and kept in the engine.

`python -m tests.support.images` builds them ahead of the tests.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from tests.support.engine import RealEngine, start
from tests.support.exclusive import exclusively

FOLDER = Path(__file__).parents[2] / "tools" / "images"
LABEL = "crmhost-test.made-from"
BASE = "crmhost-test/debian:bookworm"


@dataclass(frozen=True, slots=True)
class Images:
    """The ids (`sha256:…`) of the test images, each laid out like the official one of its program."""

    python: str
    postgresql: str
    redis: str
    caddy: str


TAGS = Images(
    python="crmhost-test/python:3.11",
    postgresql="crmhost-test/postgresql:15",
    redis="crmhost-test/redis:latest",
    caddy="crmhost-test/caddy:latest",
)


def bring(engine: RealEngine) -> Images:
    """Return the images, after building those that the engine lacks or that were made from something else."""
    with exclusively("test-images"), closing(engine.client()) as client:
        base = debian(client)
        return Images(
            python=built(client, "python", TAGS.python, base),
            postgresql=built(client, "postgresql", TAGS.postgresql, base),
            redis=built(client, "redis", TAGS.redis, base),
            caddy=built(client, "caddy", TAGS.caddy, base),
        )


def _found(client: docker.DockerClient, tag: str, made_from: str) -> str | None:
    """Return the id of the image, if the engine has one that was made from this."""
    try:
        image = client.images.get(tag)
    except ImageNotFound:
        return None
    return str(image.id) if image.labels.get(LABEL) == made_from else None


def debian(client: docker.DockerClient) -> str:
    """Return the id of Debian's own image, which all others are built on."""
    script = FOLDER / "debian"
    made_from = hashlib.sha256(script.read_bytes()).hexdigest()
    found = _found(client, BASE, made_from)
    if found is not None:
        return found
    with subprocess.Popen([script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as making:
        assert making.stdout is not None
        assert making.stderr is not None
        system, complaint = making.stdout.read(), making.stderr.read().decode()
    if making.returncode != 0:
        raise RuntimeError(f"{script} failed: {complaint}")
    repository, _, tag = BASE.partition(":")
    client.api.import_image_from_data(system, repository, tag, changes=[f"LABEL {LABEL}={made_from}", 'CMD ["bash"]'])
    return str(client.images.get(BASE).id)


def built(client: docker.DockerClient, name: str, tag: str, base: str) -> str:
    """Return the id of the image that tools/images/NAME.dockerfile makes on that base, built where it is missing."""
    dockerfile = (FOLDER / f"{name}.dockerfile").read_bytes()
    made_from = hashlib.sha256(base.encode() + dockerfile).hexdigest()
    found = _found(client, tag, made_from)
    if found is not None:
        return found
    image, _ = client.images.build(
        fileobj=io.BytesIO(dockerfile),
        tag=tag,
        buildargs={"BASE": base},
        labels={LABEL: made_from},
        rm=True,
        forcerm=True,
    )
    return str(image.id)


@pytest.fixture(scope="session")
def images(engine: RealEngine) -> Images:
    """Return the ids of the test images on the engine."""
    return bring(engine)


if __name__ == "__main__":
    bring(start())
