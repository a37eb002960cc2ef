"""A fleet of its own for each test: a folder, a home, an identity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from crmhost.__main__ import main


class Said(NamedTuple):
    """What a command ended with and printed."""

    code: int
    out: str
    err: str


Crmhost = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; nothing of the user's own fleets or keys is found from it."""
    home, work = tmp_path / "home", tmp_path / "fleet"
    home.mkdir()
    work.mkdir()
    for name in ("CRMHOST_FLEET", "CRMHOST_AGE_KEY", "CRMHOST_AGE_KEY_FILE", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def crmhost(folder: Path, capsys: pytest.CaptureFixture[str]) -> Crmhost:
    """Run a command in that folder."""
    assert folder.is_dir()

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = main(arguments)
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return run
