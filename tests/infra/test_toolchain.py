"""Pulumi is found where it lies, installed once where it does not."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest
from semver import VersionInfo

from crm.errors import CrmhostError
from infra.plugin import PLUGIN, find_plugin, plugin_version
from infra.toolchain import BUILD, VERSION, Toolchain, default_cache, find, install

CLOSED = "http://127.0.0.1:9/"
"""Where nothing answers, as on a network that reaches only package registries."""


def program(path: Path, prints: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return path


def builds(folder: Path, *lines: str) -> Path:
    """Return a build script that makes Pulumi of nothing, and counts how often it was asked."""
    path = folder / "build"
    path.write_text("\n".join(("#!/bin/sh", f"echo asked >>{folder}/asked", *lines)) + "\n")
    path.chmod(0o755)
    return path


def silent(_: str) -> None:
    """Show no progress."""


MAKES = ('mkdir -p "$1/bin"', 'touch "$1/bin/pulumi"')


def test_the_one_on_the_path_goes_before_the_installed_one(tmp_path: Path) -> None:
    program(tmp_path / "usr/bin/pulumi")
    program(tmp_path / "cache/bin/pulumi")
    environment = {"PATH": f"{tmp_path}/none:{tmp_path}/usr/bin"}
    assert find(environment, tmp_path / "cache") == Toolchain(tmp_path / "usr/bin")


def test_the_installed_one_is_found(tmp_path: Path) -> None:
    program(tmp_path / "cache/bin/pulumi")
    assert find({"PATH": ""}, tmp_path / "cache") == Toolchain(tmp_path / "cache/bin")


def test_none_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(CrmhostError) as raised:
        find({"PATH": str(tmp_path)}, tmp_path / "cache")
    assert raised.value.what == f"Pulumi is missing: neither on PATH nor in {tmp_path}/cache"
    assert raised.value.remedy == f"Bring it: crmhost doctor --install; or put Pulumi {VERSION} or newer on PATH."


def test_the_cache_is_the_users() -> None:
    assert default_cache({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path(f"/c/crmhost/pulumi/{VERSION}")
    assert default_cache({"HOME": "/h"}) == Path(f"/h/.cache/crmhost/pulumi/{VERSION}")


@pytest.mark.slow
def test_a_closed_network_builds_it_and_says_so(tmp_path: Path) -> None:
    build, said = (
        builds(tmp_path, 'echo "building pulumi …" >&2', 'echo "go: downloading x v1" >&2', *MAKES),
        list[str](),
    )
    installed = install(tmp_path / "cache/1", said.append, official=CLOSED, build=build)
    assert installed == find({"PATH": ""}, tmp_path / "cache/1")
    assert said == [
        f"the official Pulumi cannot be had ({CLOSED}: <urlopen error [Errno 111] Connection refused>)",
        "building pulumi …",
    ]


@pytest.mark.slow
def test_two_at_once_install_once(tmp_path: Path) -> None:
    build, cache = builds(tmp_path, "sleep 0.2", *MAKES), tmp_path / "cache/1"
    racers = [
        threading.Thread(target=install, args=(cache, silent), kwargs={"official": CLOSED, "build": build})
        for _ in range(2)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert (tmp_path / "asked").read_text() == "asked\n"


@pytest.mark.slow
def test_a_failed_build_ends_with_its_last_word(tmp_path: Path) -> None:
    build = builds(tmp_path, 'echo "no space left on device" >&2', "exit 1")
    with pytest.raises(CrmhostError) as raised:
        install(tmp_path / "cache/1", silent, official=CLOSED, build=build)
    assert raised.value.what == f"{build} did not make Pulumi {VERSION}: no space left on device"
    assert "https://www.pulumi.com/docs/install/" in raised.value.remedy


@pytest.mark.slow
def test_an_installed_package_without_the_sources_says_why_it_cannot(tmp_path: Path) -> None:
    with pytest.raises(CrmhostError, match=rf"Pulumi {VERSION} cannot be installed: {CLOSED}: .*refused"):
        install(tmp_path / "cache/1", silent, official=CLOSED, build=tmp_path / "absent")


def test_the_build_pins_the_version_that_is_asked_for() -> None:
    assert f"github.com/pulumi/pulumi/pkg/v3 v{VERSION}\n" in (BUILD.parent / "cli" / "go.mod").read_text()


def test_the_provider_is_the_one_on_the_path_else_of_the_sdks_version(tmp_path: Path) -> None:
    environment = {"PATH": f"{tmp_path}/bin", "PULUMI_HOME": f"{tmp_path}/home"}
    assert find_plugin(environment) is None
    program(tmp_path / "home/plugins/resource-docker-v4.0.0" / PLUGIN)
    assert find_plugin(environment) is None
    cached = program(tmp_path / f"home/plugins/resource-docker-v{plugin_version()}" / PLUGIN)
    assert find_plugin(environment) == cached
    assert (
        find_plugin(environment | {"PATH": str(program(tmp_path / "bin" / PLUGIN).parent)}) == tmp_path / "bin" / PLUGIN
    )


@pytest.mark.slow
def test_the_real_one_is_at_least_what_is_installed(toolchain: Toolchain) -> None:
    assert toolchain.language_host
    said = subprocess.run([toolchain.folder / "pulumi", "version"], capture_output=True, text=True, check=True)
    assert VersionInfo.parse(said.stdout.strip().removeprefix("v")) >= VersionInfo.parse(VERSION)
