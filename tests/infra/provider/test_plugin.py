"""The stand-in as a process: one port on its output, an end when it is told to or left alone, and room for many."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import psutil
import pytest

from tests.support.docker_provider.values import Properties
from tests.support.engine import RealEngine
from tests.support.provider import PLUGIN, asking, launcher
from tests.support.until import until

pytestmark = pytest.mark.slow

SOON = 3.0  # seconds; Pulumi waits for five, with each command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that was moved to where no shell would like it."""
    launcher(tmp_path / "before")
    return (tmp_path / "before").rename(tmp_path / "it's moved")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_its_port_alone_and_ends_when_it_is_told_to(folder: Path, number: signal.Signals) -> None:
    with subprocess.Popen([folder / PLUGIN, "127.0.0.1:1"], stdout=subprocess.PIPE, text=True) as plugin:
        assert plugin.stdout is not None
        assert 0 < int(plugin.stdout.readline()) < 65536
        told = time.monotonic()
        plugin.send_signal(number)
        assert plugin.stdout.read() == ""
        assert plugin.wait(timeout=10) == 0
        assert time.monotonic() - told < SOON


def test_it_ends_with_a_parent_that_was_killed(folder: Path) -> None:
    parent = "import subprocess, sys; subprocess.Popen([sys.argv[1], '127.0.0.1:1']).wait()"
    with subprocess.Popen([sys.executable, "-c", parent, folder / PLUGIN], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline()
        (plugin,) = psutil.Process(killed.pid).children()
        killed.kill()
        until(lambda: not plugin.is_running(), "the end of the plugin", SOON)


def test_many_containers_are_made_at_once(
    folder: Path, engine: RealEngine, docker_client: docker.DockerClient, names: Mapping[str, str]
) -> None:
    with asking(folder) as provider:
        provider.configure({"host": engine.url})

        def make(number: int) -> str:
            name = f"{names['name']}-{number}"
            wanted: Properties = {"name": name, "image": names["image"], "command": ["sleep", "600"]}
            identity, _ = provider.create("Container", provider.check("Container", wanted))
            return identity

        with ThreadPoolExecutor(8) as threads:
            made = set(threads.map(make, range(8)))
    found = docker_client.containers.list(filters={"name": names["name"]})
    assert {one.id for one in found} == made
    assert len(made) == 8
