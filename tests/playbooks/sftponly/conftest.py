"""A fresh web host that gives SFTP alone, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.support.engine import RealEngine
from tests.support.memo.recipe import Archives
from tests.support.sftphost import SftpHost, bring, serving


@pytest.fixture(scope="session")
def sftp_image(engine: RealEngine) -> str:
    """Return the id of the image."""
    return bring(engine)


@pytest.fixture
def sftp_host(docker_client: docker.DockerClient, sftp_image: str, tmp_path: Path) -> Iterator[SftpHost]:
    """Return a fresh web host."""
    with serving(docker_client, sftp_image, tmp_path / "webhost") as host:
        yield host


@pytest.fixture
def archives(tmp_path: Path) -> Archives:
    """Return what makes the small application's archives."""
    return Archives(tmp_path)
