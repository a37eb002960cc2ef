"""Names that are one test's own, and a workspace for Pulumi's engine with the docker provider first on its PATH."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import docker
import pytest

from infra.toolchain import Toolchain
from tests.infra.provider.hands import cleared
from tests.infra.provider.programs import Workspace
from tests.support.images import TAGS, Images


@pytest.fixture
def names(images: Images, docker_client: docker.DockerClient) -> Iterator[Mapping[str, str]]:
    """Return what a case may put into its texts; all that begins with `name` is removed from the engine afterwards."""
    mine = f"crmhost-test-{uuid4().hex[:8]}"
    yield {"name": mine, "image-id": images.python, "other-image": TAGS.redis, "image": TAGS.python}
    cleared(docker_client, mine)


@pytest.fixture
def fillings(names: Mapping[str, str]) -> Mapping[str, str | int]:
    """Return the names, and two ports that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as a, socket.create_server(("127.0.0.1", 0)) as b:
        return {**names, "port-a": a.getsockname()[1], "port-b": b.getsockname()[1]}


@pytest.fixture
def workspace(tmp_path: Path, toolchain: Toolchain, provider_path: Path) -> Workspace:
    """Return a workspace in the test's folder."""
    return Workspace(str(tmp_path), str(toolchain.folder), str(provider_path))
