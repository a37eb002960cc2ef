"""Pulumi's Docker provider: where it is found, and whether it is one that crmhost's rules were measured on."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version as distribution_version
from pathlib import Path

from crm.errors import CrmhostError
from infra.workfolder import write_whole

PLUGIN = "pulumi-resource-docker"
_PATIENCE = 10.0
"""Seconds for the provider to say its version, which it does at once."""
_NO_ENGINE = "127.0.0.1:1"
"""The address of a Pulumi that nothing is told to."""


def plugin_version() -> str:
    """Return the version of the Docker provider that the installed SDK asks for."""
    return distribution_version("pulumi-docker")


def plugin_on_path(environment: Mapping[str, str]) -> Path | None:
    """Return the Docker provider on PATH, which Pulumi takes before any other and whatever its version is."""
    found = shutil.which(PLUGIN, path=environment.get("PATH", ""))
    return None if found is None else Path(found)


def find_plugin(environment: Mapping[str, str]) -> Path | None:
    """Return the Docker provider that is here: the one on PATH, else the SDK's own version in Pulumi's home; or None.

    A home is `PULUMI_HOME`, or the user's. crmhost runs Pulumi with a home of its own, and takes a provider from there.
    """
    on_path = plugin_on_path(environment)
    if on_path is not None:
        return on_path
    home = environment.get("PULUMI_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".pulumi")
    cached = Path(home) / "plugins" / f"resource-docker-v{plugin_version()}" / PLUGIN
    return cached if cached.is_file() else None


def said_version(plugin: Path, environment: Mapping[str, str]) -> str:
    """Return the version that the provider says it has, asked as Pulumi asks; "" when it says none."""
    import grpc
    from google.protobuf.empty_pb2 import Empty
    from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

    try:
        with subprocess.Popen(  # noqa: S603 -- the program that Pulumi would start as well
            [str(plugin), _NO_ENGINE],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            late = threading.Timer(_PATIENCE, process.kill)
            late.start()
            try:
                port = (process.stdout.readline() if process.stdout else "").strip()
                with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                    return str(ResourceProviderStub(channel).GetPluginInfo(Empty(), timeout=_PATIENCE).version)
            finally:
                late.cancel()
                process.kill()
    except (OSError, grpc.RpcError):
        return ""


def known_version(plugin: Path, environment: Mapping[str, str], memory: Path) -> str:
    """Return the same, asked once for each file that the provider is; memory: the file that keeps the answer."""
    found = plugin.stat()
    key = [str(plugin), found.st_mtime_ns, found.st_size]
    with suppress(OSError, ValueError, LookupError, TypeError):
        kept = json.loads(memory.read_text(encoding="utf-8"))
        if kept["provider"] == key:
            return str(kept["version"])
    said = said_version(plugin, environment)
    memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(memory, json.dumps({"provider": key, "version": said}))
    return said


def suits(said: str, wanted: str) -> bool:
    """Tell whether a provider of a version can take the place of the wanted one: it has the same major version.

    One that says no version is given the benefit of the doubt: Pulumi itself asks for none.
    """
    return not said or _major(said) == _major(wanted)


def refuse_other(plugin: Path, said: str) -> None:
    """Raise CrmhostError for a provider of another version: Pulumi would only warn, and fail later in other words."""
    wanted = plugin_version()
    if not suits(said, wanted):
        raise CrmhostError(
            f"{plugin} is version {said} of Pulumi's Docker provider; crmhost needs {_major(wanted)}.x",
            f"Take it off PATH, or replace it: pulumi plugin install resource docker {wanted}",
        )


def _major(version: str) -> str:
    return version.lstrip("v").partition(".")[0]
