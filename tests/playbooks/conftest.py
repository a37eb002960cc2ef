"""A sandbox host for each test, and a connection to it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from crmhost.sandbox.host import Sandbox
from playbooks.host import Host
from tests.support.hosts import reach


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """Return an open sandbox."""
    with Sandbox(tmp_path / "box") as sandbox:
        yield sandbox


@pytest.fixture
def host(box: Sandbox) -> Iterator[Host]:
    """Return a connection to the sandbox."""
    with reach(box) as reached:
        yield reached


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of one megabyte; only root can have it."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
