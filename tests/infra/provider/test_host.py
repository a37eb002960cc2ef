"""Another host in the provider's settings: it replaces nothing, and the state goes on with the old one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import docker
import pytest

from tests.infra.provider.programs import Programmed, Workspace
from tests.support.engine import RealEngine

pytestmark = pytest.mark.slow


def test_another_host_updates_the_provider_and_replaces_nothing(
    engine: RealEngine,
    docker_client: docker.DockerClient,
    names: Mapping[str, str],
    workspace: Workspace,
    tmp_path: Path,
) -> None:
    given = {"name": names["name"], "image": names["image"], "command": ["sleep", "600"]}
    case = Programmed(workspace, engine.url, {"web": {"is": "Container", "given": given}})
    assert case.run("up").steps == ["create web"]
    before = docker_client.containers.get(names["name"]).id

    case.engine = "unix:///nowhere/docker.sock"
    refreshed = case.run("refresh")
    assert (refreshed.complaint, refreshed.steps) == ("", []), "a refresh goes where the state says"
    assert "failed to connect to any docker daemon" in case.run_apart("up").complaint
    assert "failed to connect to any docker daemon" in case.run_apart("refresh").complaint, "which the up has changed"

    (tmp_path / "docker.sock").symlink_to(urlsplit(engine.url).path)
    case.engine = f"unix://{tmp_path}/docker.sock"
    done = case.run("up")
    assert (done.steps, done.differs) == ([], {"engine": ["host"]})
    assert docker_client.containers.get(names["name"]).id == before
