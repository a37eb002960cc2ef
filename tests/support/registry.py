"""Debian's image registry on loopback, where engines speak plain HTTP to it; its images go with the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.exclusive import cache, exclusively
from tests.support.until import until

PACKAGE = "docker-registry"
CONFIGURATION = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: '127.0.0.1:{port}'}}
"""


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that is up. url: as crmhost.yaml names it."""

    url: str

    def tags(self, repository: str) -> str:
        """Return what it says of a repository's tags."""
        host, _, path = self.url.partition("/")
        with urllib.request.urlopen(f"http://{host}/v2/{path}/{repository}/tags/list", timeout=5) as answer:
            return str(answer.read().decode())


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Yield an empty registry."""
    program = _program()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    configuration = tmp_path / "registry.yaml"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path / "registry", port=port))
    with subprocess.Popen([program, "serve", configuration], stderr=subprocess.DEVNULL) as server:
        try:
            until(lambda: _answers(port), "the registry")
            yield Registry(f"127.0.0.1:{port}/crm")
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=1):
            return True
    except OSError:
        return False


def _program() -> str:
    """Return the registry's program: the one on PATH, else Debian's, unpacked into the user's cache."""
    found = shutil.which(PACKAGE)
    if found:
        return found
    folder = cache() / PACKAGE
    program = folder / "usr" / "bin" / PACKAGE
    with exclusively(PACKAGE):
        if not program.exists():
            if not shutil.which("apt-get"):
                pytest.skip("this machine cannot have a registry: it is unpacked from Debian's docker-registry")
            folder.mkdir(parents=True, exist_ok=True)
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=folder, check=True, env=environment)
            for package in folder.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return str(program)
