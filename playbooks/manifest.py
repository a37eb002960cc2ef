"""What a release says of itself in its folder: enough to start it again without its recipe. Pure; holds no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from crm.errors import HostError
from crm.plan import Release
from crm.slots import Filled

VERSION = 1


@dataclass(frozen=True, slots=True)
class Runs:
    """A process that must be up while its release serves; `stop`: seconds to end by itself."""

    name: str
    run: Filled
    stop: int


@dataclass(frozen=True, slots=True)
class Timed:
    """A job that the scheduler starts every so many minutes."""

    name: str
    run: Filled
    every: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A release as the host keeps it.

    artifact: its digest; listen: `host:port` of its web process; candidate: the web process as it runs on a spare port.
    """

    release: Release
    artifact: str
    listen: str
    processes: tuple[Runs, ...]
    candidate: Runs
    jobs: tuple[Timed, ...]


def encode(manifest: Manifest) -> str:
    """Return the manifest's text: the same for the same manifest."""
    return json.dumps({"version": VERSION, **asdict(manifest)}, sort_keys=True, indent=1, ensure_ascii=True) + "\n"


def decode(text: str, path: str) -> Manifest:
    """Return the manifest of a text read at `path`; raises HostError when it is none of ours."""
    try:
        raw = json.loads(text)
        if raw["version"] != VERSION:
            raise HostError(
                f"{path} was written by another crmhost (format {raw['version']!r}, this one reads {VERSION})",
                "use the crmhost that deployed it, or a newer one",
            )
        return Manifest(
            release=Release(**{name: str(raw["release"][name]) for name in ("recipe", "version", "config", "schema")}),
            artifact=str(raw["artifact"]),
            listen=str(raw["listen"]),
            processes=tuple(_runs(process) for process in raw["processes"]),
            candidate=_runs(raw["candidate"]),
            jobs=tuple(Timed(str(j["name"]), _filled(j["run"]), int(j["every"])) for j in raw["jobs"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"{path} is not a release's manifest ({type(error).__name__}: {error})",
            "run `crmhost deploy` again: it writes the file anew",
        ) from error


def _runs(raw: Mapping[str, Any]) -> Runs:
    return Runs(str(raw["name"]), _filled(raw["run"]), int(raw["stop"]))


def _filled(raw: Mapping[str, Any]) -> Filled:
    return Filled(
        argv=tuple(str(arg) for arg in raw["argv"]),
        env={str(name): str(value) for name, value in raw["env"].items()},
        cwd=str(raw["cwd"]),
    )
