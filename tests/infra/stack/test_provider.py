"""The Docker provider is brought before it is needed, from where the user has it, or its lack is said at once."""

from __future__ import annotations

import sys
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


SAYS = """\
#!{python}
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import grpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
class Provider(provider_pb2_grpc.ResourceProviderServicer):
    def GetPluginInfo(self, request, context):
        open({asked!r}, "a").write("asked\\n")
        return plugin_pb2.PluginInfo(version={version!r})
server = grpc.server(ThreadPoolExecutor())
provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
threading.Event().wait()
"""
"""A provider that can do nothing but say its version, and counts how often it is asked."""


def plugin(folder: Path, text: str = "#!/bin/sh\n") -> Path:
    """Write a program that is called as the provider is."""
    folder.mkdir(parents=True)
    program = folder / PLUGIN
    program.write_text(text)
    program.chmod(0o755)
    return program


def saying(folder: Path, version: str) -> Path:
    asked = str(folder / "asked")
    return plugin(folder, SAYS.format(python=sys.executable, version=version, asked=asked))


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
    assert not (tmp_path / "fleet/.home/plugins").exists()


@pytest.mark.parametrize("version", ["5.0.9", "v5.2.3", "5.1.0-alpha.1+dirty", ""])
def test_one_of_this_major_version_or_of_none_will_do_and_is_asked_once(
    version: str, tmp_path: Path, toolchain: Toolchain
) -> None:
    program = saying(tmp_path / "bin", version)
    mine = stack(tmp_path / "fleet", toolchain, {"PATH": str(program.parent), "HOME": str(tmp_path)})
    for _ in range(3):
        mine.bring_provider()
    assert (program.parent / "asked").read_text() == "asked\n"


@pytest.mark.parametrize("version", ["4.5.0", "6.0.0"])
def test_one_on_the_path_of_another_version_is_refused(version: str, tmp_path: Path, toolchain: Toolchain) -> None:
    program = saying(tmp_path / "bin", version)
    mine = stack(tmp_path / "fleet", toolchain, {"PATH": str(program.parent), "HOME": str(tmp_path)})
    for _ in range(2):
        with pytest.raises(CrmhostError) as raised:
            mine.bring_provider()
    assert raised.value.what == f"{program} is version {version} of Pulumi's Docker provider; crmhost needs 5.x"
    assert raised.value.remedy == (
        f"Take it off PATH, or replace it: pulumi plugin install resource docker {plugin_version()}"
    )
    saying(tmp_path / "other", "5.2.0").rename(program)
    mine.bring_provider()


def test_none_that_can_be_had_is_an_error_with_its_remedy(tmp_path: Path, toolchain: Toolchain) -> None:
    mine = stack(tmp_path / "fleet", toolchain, {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **NOWHERE})
    with pytest.raises(CrmhostError) as raised:
        mine.bring_provider()
    assert raised.value.what == (
        "acme: Pulumi's Docker provider (pulumi-resource-docker) is missing and could not be downloaded"
    )
    assert "pulumi plugin install resource docker" in raised.value.remedy
