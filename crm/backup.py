"""The words of backups: what one holds, what it is of, and where the sequence of a deploy puts one and finds it again.

A driver makes and takes back the plain contents as a stream (`Dump`, `Load`); what seals, keeps and finds them is
behind `Backups`. So no driver knows where backups lie, and no store knows what a database is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Literal, Protocol, TypeAlias

from crm.errors import HostError
from crm.plan import Release

BackupId: TypeAlias = str
"""`<contract>-<UTC stamp>-<first 12 hex digits of the release's configuration>`: `acme-20261003T020000Z-0f3a…`."""

Why: TypeAlias = Literal["asked", "schedule", "upgrade", "restore", "destroy"]
"""What a backup was made for: by hand, by the contract's schedule, or before what could lose data."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds, counted.

    tables: rows by table, as `schema.table`. files, bytes: how many files the data volume's part has, and their sizes
    together. keys: the names of the secrets in it, never their text. database: the server that dumped it.
    """

    tables: Mapping[str, int]
    files: int
    bytes: int
    keys: tuple[str, ...] = ()
    database: str = ""

    @property
    def rows(self) -> int:
        """Return the rows of all tables together."""
        return sum(self.tables.values())


Dump: TypeAlias = Callable[[BinaryIO], Contents]
"""Writes the plain contents of a contract's data to the stream, to their end, and says what they were."""
Load: TypeAlias = Callable[[BinaryIO], Contents]
"""Replaces a contract's data by what the stream holds, and says what is there now."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One whole backup, as its manifest describes it; all instants are microseconds since the epoch, UTC.

    taken: the instant that a restore goes back to; what was written after it is lost. size and digest (SHA-256, hex)
    are of the sealed file. proven: when a scratch copy of it was last brought up, logged in to and counted.
    """

    id: BackupId
    contract: str
    release: Release
    taken: int
    why: Why
    size: int
    digest: str
    contents: Contents
    crmhost: str = ""
    proven: int | None = None


class Backups(Protocol):
    """Where one contract's backups are kept. Each method raises CrmhostError with a remedy."""

    def save(self, release: Release, why: Why, dump: Dump) -> Snapshot:
        """Seal and store what `dump` writes; once this returns, the backup is whole and listed. Else none is kept."""
        ...

    def load(self, backup: BackupId, load: Load) -> Contents:
        """Open a backup for `load`; it is read through and compared with its manifest before `load` is called."""
        ...

    def list(self) -> Sequence[Snapshot]:
        """Return the whole backups, newest first."""
        ...

    def before_upgrade_from(self, release: Release) -> Snapshot | None:
        """Return the backup that the last upgrade away from this release made: what a rollback to it restores."""
        ...


@dataclass(frozen=True, slots=True)
class Lost:
    """The span of writes that going back to a backup loses: from `since` to now, in microseconds UTC."""

    since: int
    now: int

    def __str__(self) -> str:
        """Say it as a question before a restore says it."""
        begun, until = (datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") for at in self.span)
        return f"everything written from {begun} to {until} is lost"

    @property
    def span(self) -> tuple[int, int]:
        """Return where the span begins and ends."""
        return self.since, max(self.since, self.now)


def backup_id(contract: str, taken: int, release: Release) -> BackupId:
    """Return the id of a backup taken at that instant (microseconds UTC)."""
    stamp = datetime.fromtimestamp(taken // 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{contract}-{stamp}-{release.config[:12]}"


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that is not as it was: `what` names the table, or `files`."""

    what: str
    expected: int | None
    found: int | None


def differences(expected: Contents, found: Contents) -> tuple[Difference, ...]:
    """Return every count that differs, tables first; nothing: the two hold the same."""
    names = sorted(expected.tables.keys() | found.tables.keys())
    rows = [Difference(name, expected.tables.get(name), found.tables.get(name)) for name in names]
    rows += [Difference("files", expected.files, found.files), Difference("bytes", expected.bytes, found.bytes)]
    return tuple(row for row in rows if row.expected != row.found)


def check_counts(contract: str, expected: Contents, found: Contents) -> None:
    """Raise HostError where what was restored beside a customer's data is not what was dumped."""
    differing = differences(expected, found)
    if differing:
        one = differing[0]
        raise HostError(
            f"{contract}: {len(differing)} counts of what was restored are not those of the backup: {one.what} has"
            f" {one.found}, not {one.expected}; nothing was changed",
            "Use another backup, and keep this one for whoever finds out why.",
        )
