"""A Pulumi that is ended or killed while a container is being created: what is left, and how it is recovered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import docker
import psutil
import pytest

from tests.infra.provider.programs import Programmed, Workspace
from tests.support.engine import RealEngine
from tests.support.provider import PLUGIN
from tests.support.until import until

pytestmark = pytest.mark.slow

Up: TypeAlias = "Callable[[], tuple[subprocess.Popen[str], psutil.Process]]"


@pytest.fixture
def case(engine: RealEngine, names: Mapping[str, str], workspace: Workspace) -> Programmed:
    """A container that is never healthy, so that its create takes a while."""
    given = {
        "name": names["name"],
        "image": names["image"],
        "command": ["sleep", "600"],
        "wait": True,
        "wait_timeout": 5,
        "healthcheck": {"tests": ["CMD", "false"], "interval": "1s"},
    }
    return Programmed(workspace, engine.url, {"web": {"is": "Container", "given": given}})


@pytest.fixture
def going_up(case: Programmed, docker_client: docker.DockerClient, names: Mapping[str, str]) -> Iterator[Up]:
    """Let another process run an up until the container has been started; return that process, and its Pulumi."""
    with ExitStack() as ends:

        def up() -> tuple[subprocess.Popen[str], psutil.Process]:
            operator = ends.enter_context(case.apart("up"))
            until(lambda: docker_client.containers.list(filters={"name": names["name"]}), "the container", 60)
            children = psutil.Process(operator.pid).children(recursive=True)
            return operator, next(one for one in children if one.name() == "pulumi" and "up" in one.cmdline())

        yield up


def locks(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (folder / "state").glob(".pulumi/locks/**/*.json")]


def pending(case: Programmed) -> list[dict[str, Any]]:
    deployment: Any = case.stack.export_stack().deployment
    return list(deployment.get("pending_operations") or [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_pulumi_that_is_asked_to_end_saves_what_it_made(
    case: Programmed,
    docker_client: docker.DockerClient,
    going_up: Up,
    names: Mapping[str, str],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    operator, process = going_up()
    process.send_signal(number)
    operator.wait(60)
    assert locks(tmp_path) == []
    deployment: Any = case.stack.export_stack().deployment
    web = next(one for one in deployment["resources"] if one["type"] == "docker:index/container:Container")
    assert web["initErrors"]
    assert docker_client.containers.get(names["name"]).id == web["id"]


@pytest.mark.parametrize("whom", ["pulumi", "its caller"])
def test_pulumi_that_is_killed_leaves_a_lock_and_an_orphan(
    case: Programmed,
    docker_client: docker.DockerClient,
    going_up: Up,
    names: Mapping[str, str],
    tmp_path: Path,
    whom: str,
) -> None:
    operator, process = going_up()
    plugins = [child for child in process.children() if is_plugin(" ".join(child.cmdline()))]
    (process if whom == "pulumi" else operator).kill()
    operator.wait(60)
    assert plugins
    ended(plugins)
    assert set(locks(tmp_path)[0]) == {"pid", "username", "hostname", "timestamp"}
    assert [(one["type"], one["resource"].get("id")) for one in pending(case)] == [("creating", None)]

    assert case.run("preview").complaint == ""
    refused = case.run_apart("up")
    assert (refused.error, "currently locked by 1 lock" in refused.complaint) == ("ConcurrentUpdateError", True)

    case.stack.cancel()
    assert locks(tmp_path) == []
    assert f'Conflict. The container name "/{names["name"]}" is already in use' in case.run_apart("up").complaint
    case.run("refresh")
    assert len(pending(case)) == 1
    recovered(case, docker_client)


def is_plugin(command: str) -> bool:
    return PLUGIN in command or "docker_provider" in command


def ended(plugins: list[psutil.Process]) -> None:
    """See that the stand-in ends with its Pulumi; upstream's does not, so it is ended here."""
    if os.environ.get("CRMHOST_TEST_PROVIDER"):
        for plugin in plugins:
            plugin.kill()
    _, alive = psutil.wait_procs(plugins, timeout=10)
    assert alive == []


def recovered(case: Programmed, docker_client: docker.DockerClient) -> None:
    """Remove what was being made, forget that it was, and make it anew."""
    for operation in pending(case):
        docker_client.containers.get(operation["resource"]["inputs"]["name"]).remove(force=True)
    assert case.run("refresh", clear_pending_creates=True).complaint == ""
    assert pending(case) == []
    case.change({"web": {"healthcheck": {"tests": ["CMD", "true"], "interval": "100ms"}}})
    assert case.run("up").steps == ["create web"]
    assert case.run("preview").steps == []
