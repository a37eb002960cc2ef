"""A cache of their own for the tests that install Creme: the first one builds it, the others reuse it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine that has never seen crmhost, but for pip's cache."""
    base = tmp_path_factory.mktemp("machine")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    (base / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CRMHOST_")}
    return {
        **kept,
        "HOME": str(base / "home"),
        "XDG_CACHE_HOME": str(base / "cache"),
        "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(home / "pip")),
    }
