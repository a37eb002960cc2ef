"""The resource `Image`: every change is an update, and nobody looks at what became of the image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import docker
import pytest

from tests.infra.provider.programs import Programmed, Workspace
from tests.support.engine import RealEngine

pytestmark = pytest.mark.slow


@pytest.fixture
def context(tmp_path: Path, names: Mapping[str, str]) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {names['image']}\nLABEL {names['name']}=1\nCOPY file /file\n")
    (folder / "file").write_text("one")
    return folder


def test_an_image_lives(
    engine: RealEngine,
    docker_client: docker.DockerClient,
    names: Mapping[str, str],
    workspace: Workspace,
    context: Path,
) -> None:
    name = names["name"]
    given = {
        "image_name": f"{name}:1",
        "skip_push": True,
        "build": {
            "context": str(context),
            "dockerfile": str(context / "Dockerfile"),
            "builder_version": "BuilderV1",
            "platform": "linux/amd64",
        },
    }
    case = Programmed(workspace, engine.url, {"image": {"is": "Image", "given": given}})
    made = case.run("up")
    assert made.steps == ["create image"]
    assert any("COPY file /file" in line for line in made.said)
    first = docker_client.images.get(f"{name}:1").id
    steps = docker_client.containers.list(all=True, filters={"label": name})
    assert steps, "the old builder leaves a container of each step"
    for step in steps:
        step.remove(force=True)

    assert case.run("up").steps == []
    (context / "file").write_text("two")
    planned = case.run("preview")
    assert (planned.steps, planned.differs, planned.detailed) == (["update image"], {}, ["build"])
    case.run("up")
    assert docker_client.images.get(f"{name}:1").id != first

    case.change({"image": {"image_name": f"{name}:2"}})
    renamed = case.run("up")
    assert (renamed.steps, renamed.detailed) == (["update image"], ["imageName"])
    docker_client.images.remove(f"{name}:2", noprune=True)
    assert case.run("refresh").steps == []
    assert case.run("up").steps == []

    (context / "Dockerfile").write_text(f"FROM {names['image']}\nLABEL {name}=1\nRUN false\n")
    assert "returned a non-zero code: 1" in case.run_apart("up").complaint
    case.run("destroy")
    assert docker_client.images.get(f"{name}:1").tags == [f"{name}:1"]
    for step in docker_client.containers.list(all=True, filters={"label": name}):
        step.remove(force=True)
