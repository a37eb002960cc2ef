"""A real Docker engine for tests: the one that CRMHOST_TEST_DOCKER names, else one of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

VARIABLE = "CRMHOST_TEST_DOCKER"
TOOL = Path(__file__).parents[2] / "tools" / "engine"


class NoEngine(Exception):
    """There is no Docker engine here; the message is why, as a skip says it."""


@dataclass(frozen=True, slots=True)
class RealEngine:
    """A Docker engine. url: `unix:///…/docker.sock`."""

    url: str

    def client(self) -> docker.DockerClient:
        """Return a new client of docker-py's; the caller closes it."""
        return docker.DockerClient(base_url=self.url, version="auto", timeout=120)


def start() -> RealEngine:
    """Return the engine, after starting it where it does not run yet; raises NoEngine.

    What was started runs on, for the next test process: tools/run-tests, or `tools/engine stop`, ends it.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return RealEngine(given)
    if os.geteuid() != 0:
        raise NoEngine(f"this machine cannot have a Docker engine: root starts it (or name one: {VARIABLE})")
    if not shutil.which("dockerd"):
        apt = shutil.which("apt-get")
        raise NoEngine(
            "Docker is missing: tools/neighbours installs it"
            if apt
            else "this machine cannot have a Docker engine: there is no apt to install it with"
        )
    done = subprocess.run([TOOL, "start"], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"tools/engine start: {done.stderr.strip()}")
    return RealEngine(done.stdout.strip())


@pytest.fixture(scope="session")
def engine() -> RealEngine:
    """Return a real Docker engine, shared by all test processes."""
    try:
        return start()
    except NoEngine as error:
        pytest.skip(str(error))


@pytest.fixture
def docker_client(engine: RealEngine) -> Iterator[docker.DockerClient]:
    """Return a client of the engine, of this test's own."""
    with closing(engine.client()) as client:
        yield client
