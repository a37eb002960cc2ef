"""The Docker provider is brought before it is needed, from where the user has it, or its lack is said at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from crm.errors import CrmhostError
from infra.engine.reach import Reach
from infra.plugin import PLUGIN, plugin_version
from infra.settings import HostSettings, Images
from infra.stack import Access, Stack
from infra.toolchain import Toolchain

pytestmark = [pytest.mark.slow, pytest.mark.cloud]
NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
"""Lets no download succeed, on any network."""


def plugin(folder: Path, version: str = "") -> Path:
    """Write a program that is called as the provider is, and says that version of itself."""
    folder.mkdir(parents=True)
    program = folder / PLUGIN
    program.write_text(f'#!/bin/sh\n[ "$1" = -version ] && echo {version}\n')
    program.chmod(0o755)
    return program


def stack(fleet: Path, toolchain: Toolchain, environment: Mapping[str, str]) -> Stack:
    access = Access(fleet / "acme", f"file://{fleet}/.state", "a passphrase", toolchain.folder, environment)
    (fleet / ".state").mkdir(parents=True)
    images = Images("python", "postgresql", "redis", "ingress")
    return Stack(access, "acme", HostSettings(Reach("unix:///nowhere.sock"), images))


def test_the_users_own_copy_is_taken(tmp_path: Path, toolchain: Toolchain) -> None:
    name = f"resource-docker-v{plugin_version()}"
    plugin(tmp_path / "home/.pulumi/plugins" / name)
    environment = {"PATH": "/usr/bin:/bin", "HOME": f"{tmp_path}/home", **NOWHERE}
    mine = stack(tmp_path / "fleet", toolchain, environment)
    for _ in range(2):
        mine.bring_provider()
        assert (tmp_path / "fleet/.home/plugins" / name / PLUGIN).is_file()


def test_one_on_the_path_needs_no_copy(tmp_path: Path, toolchain: Toolchain) -> None:
    path = plugin(tmp_path / "bin").parent
    stack(tmp_path / "fleet", toolchain, {"PATH": str(path), "HOME": str(tmp_path)}).bring_provider()
    assert not (tmp_path / "fleet/.home").exists()


@pytest.mark.parametrize("version", ["5.0.9", "v5.2.3", "5.1.0-alpha.1+dirty", "none that it knows"])
def test_one_on_the_path_of_this_major_version_will_do(version: str, tmp_path: Path, toolchain: Toolchain) -> None:
    path = plugin(tmp_path / "bin", version).parent
    stack(tmp_path / "fleet", toolchain, {"PATH": str(path), "HOME": str(tmp_path)}).bring_provider()


@pytest.mark.parametrize("version", ["4.5.0", "6.0.0"])
def test_one_on_the_path_of_another_version_is_refused(version: str, tmp_path: Path, toolchain: Toolchain) -> None:
    program = plugin(tmp_path / "bin", version)
    mine = stack(tmp_path / "fleet", toolchain, {"PATH": str(program.parent), "HOME": str(tmp_path)})
    with pytest.raises(CrmhostError) as raised:
        mine.bring_provider()
    assert raised.value.what == f"{program} is version {version} of Pulumi's Docker provider; crmhost needs 5.x"
    assert (
        raised.value.remedy
        == f"Take it off PATH, or replace it: pulumi plugin install resource docker {plugin_version()}"
    )


def test_none_that_can_be_had_is_an_error_with_its_remedy(tmp_path: Path, toolchain: Toolchain) -> None:
    mine = stack(tmp_path / "fleet", toolchain, {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **NOWHERE})
    with pytest.raises(CrmhostError) as raised:
        mine.bring_provider()
    assert raised.value.what == (
        "acme: Pulumi's Docker provider (pulumi-resource-docker) is missing and could not be downloaded"
    )
    assert "pulumi plugin install resource docker" in raised.value.remedy
