"""What `crmhost doctor` says of Pulumi, which only customers in the cloud need."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.plugin import PLUGIN, plugin_version
from infra.toolchain import VERSION
from tests.crmhost.conftest import Crmhost

CLOUD = ("--recipe", "creme", "--target", "cloud", "--set", "target.docker=ssh://deploy@docker.example")
WEB_HOST = ("--recipe", "creme", "--host", "web1.example", "--user", "acme", "--listen", "127.0.0.1:8100")


@pytest.fixture(autouse=True)
def nothing_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a machine without Pulumi; the folder that is its PATH."""
    (folder.parent / "bin").mkdir()
    monkeypatch.setenv("PATH", str(folder.parent / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    return folder.parent / "bin"


def program(path: Path, prints: str = "") -> None:
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)


def test_without_customers_in_the_cloud_nothing_is_said_of_it(crmhost: Crmhost) -> None:
    assert crmhost("init", "acme", *WEB_HOST).code == 0
    said = crmhost("doctor")
    assert "pulumi" not in said.out
    assert "docker" not in said.out


def test_the_key_that_the_fleet_names_is_the_one_that_counts(crmhost: Crmhost, folder: Path) -> None:
    assert crmhost("init", "acme", *WEB_HOST).code == 0
    with (folder / "crmhost.yaml").open("a") as settings:
        settings.write("ssh: {key: keys/deploy}\n")
    named = folder / "keys" / "deploy"
    assert f"{named}, as crmhost.yaml says: there is no such file" in crmhost("doctor").out
    named.parent.mkdir()
    named.touch()
    said = crmhost("doctor").out
    assert f"{named}, as crmhost.yaml says\n" in said
    assert "ssh keys: " not in said, "no remedy"


@pytest.mark.slow
def test_what_is_missing_comes_with_its_remedy(crmhost: Crmhost) -> None:
    assert crmhost("init", "acme", *CLOUD).code == 0
    said = crmhost("doctor")
    assert said.code == 1
    assert f"pulumi: Bring it: crmhost doctor --install; or put Pulumi {VERSION} or newer on PATH.\n" in said.out
    assert f"docker provider: pulumi plugin install resource docker {plugin_version()} (--file PLUGIN" in said.out


@pytest.mark.slow
def test_what_is_there_is_named_with_its_version(crmhost: Crmhost, nothing_installed: Path) -> None:
    program(nothing_installed / "pulumi", f"v{VERSION}")
    program(nothing_installed / PLUGIN)
    assert crmhost("init", "acme", *CLOUD).code == 0
    said = crmhost("doctor")
    assert f"{VERSION} in {nothing_installed}" in said.out
    assert str(nothing_installed / PLUGIN) in said.out
    assert "pulumi up by hand: put pulumi-language-python beside it; the official Pulumi brings it\n" in said.out


@pytest.mark.slow
def test_one_that_is_too_old_is_not_enough(crmhost: Crmhost, nothing_installed: Path) -> None:
    program(nothing_installed / "pulumi", "v3.100.0")
    assert crmhost("init", "acme", *CLOUD).code == 0
    said = crmhost("doctor")
    assert said.code == 1
    assert f"{nothing_installed}/pulumi: is version 3.100.0; crmhost needs " in said.out
