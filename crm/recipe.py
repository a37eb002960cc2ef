"""What crmhost knows of one CRM, as data: a recipe says what a release needs, a driver translates it.

Argument vectors are public (they show in process lists), so by type they cannot hold a secret; standard input and
files may.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

TargetKind: TypeAlias = Literal["cloud", "lan", "webhost", "saas"]
Need: TypeAlias = Literal["ssh", "cron", "daemon", "redis"]
Database: TypeAlias = Literal["postgresql", "mysql", "sqlite"]
Phase: TypeAlias = Literal["initialise", "admin", "upgrade"]
Again: TypeAlias = Literal["safe", "restore", "never"]
Slot: TypeAlias = Literal[
    "python",  # the interpreter of the release's virtual environment
    "bin",  # the folder of the artifact's programs
    "php",  # the PHP interpreter
    "app",  # the artifact's folder: code, never written to; of an Archive it is `{release}/app`, this release's own
    "release",  # this release's folder: its configuration, written once
    "data",  # what must outlive a release: uploads, the SQLite file
    "run",  # sockets and pid files of this release; a short path
    "public",  # what the web server may serve as files
    "listen",  # host:port that the web process binds
    "version",  # the CRM's version that this release runs
    "url",  # the customer's URL, without a slash at its end
    "host",  # the host name in that URL
    "db",  # the database: a file's path for SQLite, else a URL without the password
    "dbhost",  # the database's server, in its parts; all of them empty where the database is a file
    "dbport",
    "dbname",
    "dbuser",
    "redis",  # the URL of a redis of the customer's own; empty where the target has none
    "language",  # the customer's language (BCP 47)
    "timezone",  # IANA name
    "admin",  # the name of the customer's administrator account
    "email",  # where the administrator is written to
]
SLOTS: frozenset[str] = frozenset(get_args(Slot))


@dataclass(frozen=True, slots=True)
class Slotted:
    """A text with slots that the driver fills: `Slotted("{release}/manage.py")`. Double braces stand for one.

    Raises ValueError for a slot that no driver knows.
    """

    template: str

    def __post_init__(self) -> None:
        unknown = self.slots() - SLOTS
        if unknown:
            raise ValueError(f"{self.template!r}: no such slot: {', '.join(sorted(unknown))}")

    def slots(self) -> frozenset[str]:
        """Return the names of the slots that the text has."""
        return frozenset(name for _, name, _, _ in string.Formatter().parse(self.template) if name is not None)

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text with its slots filled; raises KeyError for one that `values` lacks."""
        return self.template.format_map(values)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of the customer by name, generated on first use and kept in the fleet, encrypted."""

    name: str


DATABASE_PASSWORD = Secret("database-password")
"""The password of {dbuser}. A target with a database server gives it, so recipes do not list it among their secrets."""
SCRATCH_PASSWORD = Secret("scratch-database-password")
"""The password of the second database that a web host gave, for trials alone: a copy's {dbuser} has it."""
Arg: TypeAlias = str | Slotted
Text: TypeAlias = tuple[str | Slotted | Secret, ...]
Json: TypeAlias = "str | int | Slotted | Secret | Sequence[Json] | Mapping[str, Json]"
"""A JSON value. What is filled in is a string of its own, so that quotes in it do no harm."""
_NOTHING: Mapping[str, Arg] = MappingProxyType({})
_NONE_KEPT: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Exec:
    """A program to run, without a shell. `cwd` default: the release's folder."""

    argv: tuple[Arg, ...]
    stdin: Text = ()
    env: Mapping[str, Arg] = field(default_factory=lambda: _NOTHING)
    cwd: Arg | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """A request to the web process: `path` begins with a slash; a form makes it a POST."""

    method: Literal["GET", "POST"]
    path: str
    form: Mapping[str, Text] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sql:
    """One query that returns one value."""

    query: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A question whose answer must match `expect` (a regular expression, searched): exit codes lie.

    The answer is the output of an Exec, the value of a Sql, and for Http `STATUS BODY`, such as `200 <html>…`; a
    redirect is not followed. What cannot be asked (no such table yet) is an answer that does not match.
    """

    how: Exec | Http | Sql
    expect: str

    def holds(self, answer: str) -> bool:
        """Tell whether the answer is the expected one."""
        return re.search(self.expect, answer, re.DOTALL) is not None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The guard is crmhost's own record in the customer's database: absent, started or finished."""


@dataclass(frozen=True, slots=True)
class Step:
    """An act that runs once, in `phase`.

    ways: tried in order, the driver takes the first kind that it can run. ok: a pattern that the output must match.
    again: what to do when it is found "started": run it once more, restore the backup first, or never by itself.
    each_release: run it for each new release (derived files), not once for each database.
    """

    name: str
    phase: Phase
    ways: tuple[Exec | Http, ...]
    done: Ask | Recorded
    ok: str
    again: Again
    each_release: bool = False
    summary: str = ""
    timeout: int = 600  # seconds


@dataclass(frozen=True, slots=True)
class PipLock:
    """A virtual environment from a hashed requirements file; `python`: (oldest, first too new), as (3, 10), (3, 15).

    build: a second hashed file with what builds those packages of `lock` that exist only as source. Where it is not
    empty it is installed first, and `lock` with `--no-build-isolation`; else pip would fetch an unpinned builder.
    drivers: hashed requirements that only one kind of database asks for, none of them in `lock`.
    """

    lock: str
    python: tuple[tuple[int, int], tuple[int, int]]
    build: str = ""
    drivers: Mapping[Database, str] = field(default_factory=lambda: MappingProxyType({}))

    def on(self, database: Database) -> PipLock:
        """Return the lock of an environment for one kind of database: all of it is in `lock`."""
        return PipLock(self.lock + self.drivers.get(database, ""), self.python, self.build)


@dataclass(frozen=True, slots=True)
class Php:
    """What PHP runs an archive's code: `versions` as (oldest, first too new), and extensions as `php -m` names them."""

    versions: tuple[tuple[int, int], tuple[int, int]]
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder unpacked from an archive that crmhost fetches and sends, since a host need not reach the internet.

    url: https, of a .tar.gz, .tgz or .zip. sha256: of that file, in hex; empty where nobody who wrote the recipe could
    fetch it, and the fleet's own `archives:` must say it. strip: how many leading path components go. Raises ValueError
    for another URL or digest.
    """

    url: str
    sha256: str
    strip: int = 1
    php: Php | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"https://[!-~]+\.(tar\.gz|tgz|zip)", self.url):
            raise ValueError(f"{self.url!r}: an archive is a .tar.gz, .tgz or .zip at an https URL")
        if not re.fullmatch(r"([0-9a-f]{64})?", self.sha256):
            raise ValueError(f"{self.sha256!r}: is no SHA-256 in small hex digits")


Artifact: TypeAlias = PipLock | Archive


@dataclass(frozen=True, slots=True)
class File:
    """A file of the release; `path` is relative to the release's folder. Mode 0600 unless said otherwise.

    Below `app/` it lies in the release's own copy of an Archive's tree, and may replace a file of it. only: the kinds
    of database with which it is needed; empty: with any.
    """

    path: str
    content: Text
    mode: int = 0o600
    only: tuple[Database, ...] = ()


@dataclass(frozen=True, slots=True)
class Process:
    """A process that must be up: `web` binds {listen}; others are workers. `stop` seconds to end by itself.

    memory_mb, cpus (`1.5`): what it may use at the most, where the target can limit it. wsgi: `module:application`,
    below the release's folder, where a front end can run the web process itself.
    """

    name: str
    run: Exec
    stop: int = 30
    memory_mb: int = 256
    cpus: str = "1.0"
    wsgi: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """What the host's scheduler starts every so many minutes, never twice at once. memory_mb: see `Process`.

    by_url: the same over HTTP, for a host that runs no programs of the customer's.
    """

    name: str
    run: Exec
    every: int = 1
    memory_mb: int = 256
    by_url: Ask | None = None


@dataclass(frozen=True, slots=True)
class BackupSet:
    """What a restore needs: the database, folders below {data}, and secrets that encrypt what is in them."""

    database: bool
    paths: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Login:
    """How a person logs in over HTTP, so that a login can be proven.

    `form` has the fields to post to `path` (hidden fields of the page are sent along); of a CRM without such a page
    `json` is the body instead. `success` and `failure` are patterns on `STATUS BODY` of what comes in the end.
    `default_accounts`: (name, password) pairs that must be refused. Raises ValueError for a form and a body, or none.
    """

    path: str
    success: str
    failure: str
    form: Mapping[str, Text] = field(default_factory=dict)
    json: Json | None = None
    default_accounts: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if bool(self.form) == (self.json is not None):
            raise ValueError(f"the login at {self.path} needs either a form or a JSON body")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One CRM. The table at the end of its page in docs/ is answered by these fields.

    schema(version) names the database schema that a version needs; path(old, new) lists the versions to step
    through, the last is `new`. `artifacts` has one entry a version. `folders` lie below {data}. `seed` names the slots
    that an initialised database depends on: with the version they key its template. `evidence` says what of the recipe
    was run for real, and what was only read.

    Of an Archive: `web_root` is the folder in it that the web server serves (empty: all of it); `kept` maps paths in it
    that the CRM writes to, to folders below {data}, which are linked there instead of what the archive has. A recipe
    that the host's own PHP serves has no process called `web`.
    """

    id: str
    title: str
    licence: str
    may_host: str
    versions: tuple[str, ...]
    targets: tuple[TargetKind, ...]
    needs: tuple[Need, ...]
    memory_mb: int
    databases: tuple[Database, ...]
    artifacts: Mapping[str, Artifact]
    files: tuple[File, ...]
    folders: tuple[str, ...]
    secrets: tuple[str, ...]
    steps: tuple[Step, ...]
    processes: tuple[Process, ...]
    jobs: tuple[Job, ...]
    live: Ask
    ready: Ask
    users: Ask
    login: Login
    backup: BackupSet
    schema: Callable[[str], str]
    path: Callable[[str, str], tuple[str, ...]]
    seed: tuple[Slot, ...] = ()
    evidence: str = ""
    user_limit: str = ""  # how the CRM itself limits its users; empty: it does not
    redis: bool = False  # it uses a redis of its own where the target gives one
    web_root: str = ""
    kept: Mapping[str, str] = field(default_factory=lambda: _NONE_KEPT)

    def files_with(self, database: Database) -> tuple[File, ...]:
        """Return the files of a release that has this kind of database."""
        return tuple(file for file in self.files if not file.only or database in file.only)
