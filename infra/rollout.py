"""What a customer's stack is asked to hold: the input of the Pulumi program, as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias

from crm.errors import CrmhostError, Refused
from crm.plan import Release

Slot: TypeAlias = Literal["a", "b"]
VERSION = 1
"""Of the recorded form; a stack that was recorded by a newer crmhost is refused, not guessed at."""
SUPERUSER_PASSWORD = "superuser-password"  # noqa: S105 -- the name of a file
PASSWORD = "password"  # noqa: S105 -- the name of a file


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use. memory_mb: MiB, swap included (there is none); cpus: a decimal such as `1.0`."""

    memory_mb: int
    cpus: str

    def __post_init__(self) -> None:
        # The provider reads "1" back as "1.0", which would show as a change for ever.
        object.__setattr__(self, "cpus", str(float(self.cpus)))


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file that is put into a volume before anything starts; its content may be secret and is left out of reprs.

    path: relative to the volume (`settings.py`); raises ValueError for one that leaves it.
    """

    path: str
    mode: int
    content: str = field(repr=False)

    def __post_init__(self) -> None:
        pure = PurePosixPath(self.path)
        if pure.is_absolute() or ".." in pure.parts or str(pure) != self.path or self.path == ".":
            raise ValueError(f"{self.path!r} is no relative path in its plainest form")


@dataclass(frozen=True, slots=True)
class Runs:
    """A process of a release, one container. stop: seconds to end by itself before it is killed."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    stop: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Placed:
    """A release as the stack holds it.

    image: an image id (`sha256:…`) or a reference by digest. host: the host name of the customer's URL. slot: which
    of the host's two upstreams the web container is. processes: the first is called `web`. health: the argument
    vector of the containers' health check; it reaches the database. files: below /release; none of a previous release
    that was given a password of the database's which that has no more. rekeyed: how often a secret in them was changed.
    secrets: the names of those that the contract had then; None: an older crmhost placed it, which did not say.
    """

    release: Release
    image: str
    slot: Slot
    host: str
    processes: tuple[Runs, ...]
    health: tuple[str, ...]
    files: tuple[UploadFile, ...]
    rekeyed: int = 0
    secrets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        names = [process.name for process in self.processes]
        if names[:1] != ["web"] or len(set(names)) != len(names):
            raise ValueError(f"{self.release.id}: the processes are {names}; the first is called web, none twice")

    @property
    def tag(self) -> str:
        """Return what stands for the release in names on the engine: twelve hex digits."""
        return self.release.config[:12]


@dataclass(frozen=True, slots=True)
class Service:
    """PostgreSQL or redis. files: for PostgreSQL, `superuser-password` and the application's `password`.

    rekeyed: how often a secret in them was changed.
    """

    image: str
    limits: Limits
    files: tuple[UploadFile, ...] = ()
    rekeyed: int = 0


@dataclass(frozen=True, slots=True)
class Rollout:
    """The releases that exist side by side in one stack, and which of them serves.

    Two at the most: the one that serves and one candidate, of which only `web` runs. Pulumi is no health gate, so the
    program never decides which release serves: crmhost probes the candidate itself and then asks for a rollout
    without the other one. waiting: not even the candidate's web runs yet, because its steps are not done. previous:
    the release before, kept as data for a rollback; nothing of it exists.
    Raises Refused for a rollout that no sequence of crmhost's makes.
    """

    contract: str
    database: Service
    redis: Service | None = None
    releases: tuple[Placed, ...] = ()
    serving: str | None = None
    previous: Placed | None = None
    waiting: bool = False

    def __post_init__(self) -> None:
        names = [placed.release.id for placed in self.releases]
        remedy = "Finish the deploy that is under way: crmhost deploy " + self.contract
        if len(names) > 2 or len(set(names)) != len(names):
            raise Refused(
                f"{self.contract}: a stack holds one release and one candidate, not {', '.join(names)}", remedy
            )
        if len({placed.slot for placed in self.releases}) != len(names):
            raise Refused(f"{self.contract}: {' and '.join(names)} are both in slot {self.releases[0].slot}", remedy)
        if self.serving is not None and self.serving not in names:
            raise Refused(
                f"{self.contract}: {self.serving} is to serve, but the stack holds {', '.join(names) or 'nothing'}",
                "A release serves until another one has taken over: crmhost deploy " + self.contract,
            )

    @property
    def candidate(self) -> Placed | None:
        """Return the release that is not serving yet, if there is one."""
        return next((placed for placed in self.releases if placed.release.id != self.serving), None)

    @property
    def served(self) -> Placed | None:
        """Return the release that serves, if there is one."""
        return next((placed for placed in self.releases if placed.release.id == self.serving), None)

    def running(self, placed: Placed) -> tuple[Runs, ...]:
        """Return the processes that the stack holds of one of its releases: of a candidate `web` alone, or none yet."""
        if placed.release.id == self.serving:
            return placed.processes
        return () if self.waiting else placed.processes[:1]


def encode(rollout: Rollout) -> tuple[str, str]:
    """Return the rollout as two JSON texts: the public one and the one with the contents of all files.

    The same for the same rollout; together they decode to an equal one.
    """
    public = {"version": VERSION, **asdict(rollout, dict_factory=_plain)}
    secret = {key: file.content for key, file in _files(rollout)}
    return _dumps(public), _dumps(secret)


def decode(public: str, secret: str | None) -> Rollout:
    """Return the rollout of two recorded texts; without the secret one every file's content is empty.

    Raises CrmhostError for what crmhost did not record, or a newer one did.
    """
    try:
        raw = json.loads(public)
        if raw["version"] > VERSION:
            raise CrmhostError(
                f"the stack was recorded by a newer crmhost (form {raw['version']}, this one knows {VERSION})",
                "Use that crmhost, or a newer one.",
            )
        return _rollout(raw, {} if secret is None else json.loads(secret))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CrmhostError(
            f"the stack's configuration does not hold a rollout ({type(error).__name__}: {error})",
            "It is written by crmhost alone; take it from your version control or backup, or deploy again.",
        ) from error


def _dumps(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Leave the contents of files out of the public form, and names that nobody said."""
    return {key: value for key, value in pairs if key != "content" and (key, value) != ("secrets", None)}


def _files(rollout: Rollout) -> Iterator[tuple[str, UploadFile]]:
    """Yield every file under a key that is its own in the rollout."""
    yield from ((f"database/{file.path}", file) for file in rollout.database.files)
    if rollout.redis is not None:
        yield from ((f"redis/{file.path}", file) for file in rollout.redis.files)
    for placed in rollout.releases:
        yield from ((f"release/{placed.release.id}/{file.path}", file) for file in placed.files)
    if rollout.previous is not None:
        yield from ((f"previous/{file.path}", file) for file in rollout.previous.files)


def _rollout(raw: Mapping[str, Any], secret: Mapping[str, str]) -> Rollout:
    redis, previous = raw["redis"], raw["previous"]
    return Rollout(
        contract=raw["contract"],
        database=_service(raw["database"], "database", secret),
        redis=None if redis is None else _service(redis, "redis", secret),
        releases=tuple(_placed(each, f"release/{Release(**each['release']).id}", secret) for each in raw["releases"]),
        serving=raw["serving"],
        previous=None if previous is None else _placed(previous, "previous", secret),
        waiting=raw["waiting"],
    )


def _service(raw: Mapping[str, Any], key: str, secret: Mapping[str, str]) -> Service:
    files = _uploads(raw["files"], key, secret)
    return Service(raw["image"], Limits(**raw["limits"]), files, raw.get("rekeyed", 0))


def _placed(raw: Mapping[str, Any], key: str, secret: Mapping[str, str]) -> Placed:
    return Placed(
        release=Release(**raw["release"]),
        image=raw["image"],
        slot=raw["slot"],
        host=raw["host"],
        processes=tuple(
            Runs(**{**each, "argv": tuple(each["argv"]), "limits": Limits(**each["limits"])})
            for each in raw["processes"]
        ),
        health=tuple(raw["health"]),
        files=_uploads(raw["files"], key, secret),
        rekeyed=raw.get("rekeyed", 0),
        secrets=tuple(raw["secrets"]) if "secrets" in raw else None,
    )


def _uploads(raw: list[Mapping[str, Any]], key: str, secret: Mapping[str, str]) -> tuple[UploadFile, ...]:
    return tuple(UploadFile(each["path"], each["mode"], secret.get(f"{key}/{each['path']}", "")) for each in raw)
