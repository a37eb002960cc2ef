"""A second Docker engine, for tests of what an engine has once: its network is its own, so no other engine notices."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing

import docker
import pytest
from docker.errors import ImageNotFound

from tests.support.engine import TOOL, RealEngine
from tests.support.exclusive import cache, exclusively
from tests.support.images import Images

_START = 'ip link set lo up && exec "$0" start'


@pytest.fixture(scope="module")
def own_engine(engine: RealEngine, images: Images) -> Iterator[RealEngine]:
    """Yield an engine that has the ingress's image and nothing else, to one test process at a time."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache() / "own-engine")}
    if os.geteuid() != 0:
        pytest.skip("this machine cannot have a second Docker engine: root starts it")
    with exclusively("own-engine"):
        started = subprocess.run(
            ["unshare", "--net", "sh", "-c", _START, TOOL], env=environment, capture_output=True, text=True, check=True
        )
        own = RealEngine(started.stdout.strip())
        try:
            with closing(engine.client()) as source, closing(own.client()) as target:
                _bring(source, target, images.caddy)
            yield own
        finally:
            subprocess.run([TOOL, "stop"], env=environment, check=True, capture_output=True)


def _bring(source: docker.DockerClient, target: docker.DockerClient, image: str) -> None:
    try:
        target.images.get(image)
    except ImageNotFound:
        target.images.load(b"".join(source.api.get_image(image)))
