"""A customer on a sandbox host of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crmhost.sandbox.host import Sandbox
from tests.support.deployments import Customer, build_artifacts, lend_artifacts


@pytest.fixture(scope="session")
def artifacts() -> Iterator[Path]:
    """Return a folder with the small application's virtual environments."""
    with tempfile.TemporaryDirectory(prefix="crmhost-venvs-") as folder:
        build_artifacts(Path(folder))
        yield Path(folder)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Return a sandbox with a short path: a unix socket below it must fit."""
    with tempfile.TemporaryDirectory(prefix="crmhost-") as root, Sandbox(Path(root)) as box:
        yield box


@pytest.fixture
def customer(box: Sandbox, artifacts: Path) -> Customer:
    """Return a customer whose artifacts are on the account already."""
    lend_artifacts(artifacts, box)
    return Customer(box)
