"""Pulumi's Docker provider: where it is found, and whether it is one that crmhost's rules were measured on."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version as distribution_version
from pathlib import Path

from crm.errors import CrmhostError

PLUGIN = "pulumi-resource-docker"
_PATIENCE = 10.0
"""Seconds for the provider to say its version, which it does at once."""


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


def said_version(plugin: Path) -> str:
    """Return what the provider says when it is asked for its version; "" when it says none."""
    try:
        asked = subprocess.run(  # noqa: S603 -- the program that Pulumi would start as well
            [str(plugin), "-version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.fullmatch(r"v?(\d+\.\d+\.\d+[\w.+-]*)", asked.stdout.decode("utf-8", "replace").strip())
    return found[1] if found else ""


def suits(said: str, wanted: str) -> bool:
    """Tell whether a provider of a version can take the place of the wanted one: it has the same major version.

    One that says no version is given the benefit of the doubt: Pulumi itself asks for none.
    """
    return not said or _major(said) == _major(wanted)


def refuse_other(plugin: Path) -> None:
    """Raise CrmhostError for a provider of another version: Pulumi would only warn, and fail later in other words."""
    said, wanted = said_version(plugin), plugin_version()
    if not suits(said, wanted):
        raise CrmhostError(
            f"{plugin} is version {said} of Pulumi's Docker provider; crmhost needs {_major(wanted)}.x",
            f"Take it off PATH, or replace it: pulumi plugin install resource docker {wanted}",
        )


def _major(version: str) -> str:
    return version.partition(".")[0]
