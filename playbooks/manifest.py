"""What a release says of itself in its folder: enough to start it again without its recipe. Pure; holds no secret."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from crm.errors import HostError
from crm.plan import Release
from crm.slots import Filled

Front: TypeAlias = Literal["process", "passenger", "php"]
"""What a customer's requests meet: a process of the release behind a proxy, or the host's own Passenger or PHP."""
VERSION = 1


@dataclass(frozen=True, slots=True)
class Runs:
    """A process that must be up while its release serves; `stop`: seconds to end by itself.

    memory_mb, cpus: what it may use, on a host that can limit it.
    """

    name: str
    run: Filled
    stop: int
    memory_mb: int = 0
    cpus: str = ""


@dataclass(frozen=True, slots=True)
class Timed:
    """A job that the scheduler starts every so many minutes."""

    name: str
    run: Filled
    every: int
    memory_mb: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """A release as the host keeps it.

    artifact: its digest; listen: `host:port` of its web process, or the URL at which the host's own web server serves
    it; candidate: the web process as it runs on a spare port. front: what serves it; served: the folder that the host
    serves as files, absolute, where the front is not a process. secrets: the names of those that it was made with;
    None: an older crmhost made it, which did not say.
    """

    release: Release
    artifact: str
    listen: str
    processes: tuple[Runs, ...]
    candidate: Runs
    jobs: tuple[Timed, ...]
    front: Front = "process"
    served: str = ""
    secrets: tuple[str, ...] | None = None

    @property
    def mark(self) -> str:
        """Return what the release's answers are marked with where the host's own web server gives them."""
        return mark_of(self.release.id)


def mark_of(release_id: str) -> str:
    """Return the mark of a release: a digest of its name, which tells strangers neither the CRM nor its version."""
    return hashlib.sha256(release_id.encode()).hexdigest()[:12]


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
            jobs=tuple(_timed(job) for job in raw["jobs"]),
            front=_front(raw.get("front", "process")),
            served=str(raw.get("served", "")),
            secrets=names_of(raw.get("secrets")),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"{path} is not a release's manifest ({type(error).__name__}: {error})",
            "run `crmhost deploy` again: it writes the file anew",
        ) from error


def names_of(raw: Sequence[object] | None) -> tuple[str, ...] | None:
    """Return the names that a manifest says, None where it says none."""
    return None if raw is None else tuple(str(name) for name in raw)


def _front(raw: object) -> Front:
    match raw:
        case "process" | "passenger" | "php":
            return raw
        case _:
            raise ValueError(f"no such front: {raw!r}")


def _runs(raw: Mapping[str, Any]) -> Runs:
    limits = int(raw.get("memory_mb", 0)), str(raw.get("cpus", ""))
    return Runs(str(raw["name"]), _filled(raw["run"]), int(raw["stop"]), *limits)


def _timed(raw: Mapping[str, Any]) -> Timed:
    return Timed(str(raw["name"]), _filled(raw["run"]), int(raw["every"]), int(raw.get("memory_mb", 0)))


def _filled(raw: Mapping[str, Any]) -> Filled:
    return Filled(
        argv=tuple(str(arg) for arg in raw["argv"]),
        env={str(name): str(value) for name, value in raw["env"].items()},
        cwd=str(raw["cwd"]),
    )
