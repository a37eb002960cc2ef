"""Web hosts that give SFTP alone: one that is emptied for each test, and fresh ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
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


@pytest.fixture(scope="session")
def running(engine: RealEngine, sftp_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpHost]:
    """Return a web host that all tests share which leave its servers as they are."""
    with closing(engine.client()) as client, serving(client, sftp_image, tmp_path_factory.mktemp("webhost")) as host:
        yield host


@pytest.fixture
def sftp_host(running: SftpHost) -> SftpHost:
    """Return it with an empty site and an empty database."""
    running.reset()
    return running


@pytest.fixture
def own_host(docker_client: docker.DockerClient, sftp_image: str, tmp_path: Path) -> Iterator[SftpHost]:
    """Return a web host whose servers the test may change."""
    with serving(docker_client, sftp_image, tmp_path / "webhost") as host:
        yield host


@pytest.fixture
def archives(tmp_path: Path) -> Archives:
    """Return what makes the small application's archives."""
    return Archives(tmp_path)
