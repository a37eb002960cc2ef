"""One contract's backups in its store: made, opened, listed, proven and thinned out.

A backup is two files: what is sealed, and its manifest, written once the first is whole. What a kill at any point
leaves is a file without a manifest, or one that the store does not show at all: never half a backup in the list.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from contract.duration import DAY, SECOND, CalendarDuration, Micros
from contract.moment import micros
from crm.backup import BackupId, Contents, Dump, Load, Snapshot, Why, backup_id
from crm.errors import CrmhostError
from crm.plan import Release
from crmhost.backup.manifest import MANIFEST, SEALED, decode, encode
from crmhost.backup.retention import expired
from crmhost.backup.seal import Hashed, damaged, seal, unseal
from crmhost.backup.store import Entry, Store, store_of
from crmhost.vault import load_identity
from infra.pipe import piped

if TYPE_CHECKING:
    from crmhost.fleet import Fleet

Read = TypeVar("Read")
LEFT_AFTER = DAY
"""How old what a dead write left must be before it is removed: no write takes so long."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies in the store: whole backups, newest first, and what is wrong with the rest, for people."""

    snapshots: tuple[Snapshot, ...]
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed: backups, and files that dead writes had left."""

    snapshots: tuple[Snapshot, ...]
    left: int


class Shelf:
    """The Backups of one contract, sealed for `recipients` and opened by the identity that the environment names."""

    def __init__(
        self,
        contract: str,
        store: Store,
        recipients: Sequence[str],
        environment: Mapping[str, str],
        now: Callable[[], Micros],
    ) -> None:
        self.contract = contract
        self.store = store
        self._recipients = tuple(recipients)
        self._environment = environment
        self._now = now
        self._known: dict[str, tuple[str, Snapshot]] = {}
        self._verified: set[tuple[BackupId, str]] = set()

    def save(self, release: Release, why: Why, dump: Dump) -> Snapshot:
        """Seal and store what `dump` writes; the manifest comes last.

        One second names one backup of a release: a second one in it is said to be taken in the next that is free.
        """
        taken = self._now()
        there = {entry.name.partition(".")[0] for entry in self.store.entries()}
        while (name := backup_id(self.contract, taken, release)) in there:
            taken += SECOND
        with self.store.writing(name + SEALED) as file:
            sealed = Hashed(file)
            with piped(dump) as pipe:
                seal(pipe.reader, sealed.as_stream(), self._recipients)
        snapshot = Snapshot(
            id=name,
            contract=self.contract,
            release=release,
            taken=taken,
            why=why,
            size=sealed.size,
            digest=sealed.digest,
            contents=pipe.result,
            crmhost=version("crmhost"),
        )
        self._describe(snapshot)
        return snapshot

    def load(self, backup: BackupId, load: Load) -> Contents:
        """Open a backup for `load`, once every byte of it has been found to be what was written."""
        snapshot = self.find(backup)
        if (snapshot.id, snapshot.digest) not in self._verified:
            self.verify(snapshot)
        return self.read(snapshot, load)

    def verify(self, snapshot: Snapshot) -> None:
        """Read a backup through, decrypt it to nowhere, and compare it with its manifest; raises CrmhostError."""
        with open("/dev/null", "wb") as nowhere:  # noqa: PTH123 -- no path of ours
            self._open(snapshot, nowhere)
        self._verified.add((snapshot.id, snapshot.digest))

    def read(self, snapshot: Snapshot, read: Callable[[BinaryIO], Read]) -> Read:
        """Return what `read` makes of a backup's plain contents; it need not read them to their end."""
        with piped(lambda sink: self._open(snapshot, sink)) as pipe:
            return read(pipe.reader)

    def list(self) -> Sequence[Snapshot]:
        """Return the whole backups, newest first."""
        return self.survey().snapshots

    def survey(self) -> Survey:
        """Return the whole backups, and what is wrong with others. Manifests that did not change are not read again."""
        entries = {entry.name: entry for entry in self.store.entries()}
        found, troubles = [], []
        for name, entry in entries.items():
            if not name.endswith(MANIFEST):
                continue
            try:
                snapshot = self._read(entry)
                _check(snapshot, name, entries, f"{self.store.place}/{name}")
                found.append(snapshot)
            except CrmhostError as error:
                troubles.append(error.what)
        return Survey(tuple(sorted(found, key=lambda one: (one.taken, one.id), reverse=True)), tuple(troubles))

    def find(self, backup: BackupId) -> Snapshot:
        """Return a backup by its id; raises CrmhostError naming the newest where there is none such."""
        survey = self.survey()
        for snapshot in survey.snapshots:
            if snapshot.id == backup:
                return snapshot
        trouble = next((one for one in survey.troubles if f"/{backup}." in one), None)
        newest = survey.snapshots[0].id if survey.snapshots else "none at all"
        raise CrmhostError(
            trouble or f"{self.store.place}: has no backup {backup!r}",
            f"The newest there: {newest}. See all: crmhost backup {self.contract} list",
        )

    def before_upgrade_from(self, release: Release) -> Snapshot | None:
        """Return the newest backup that an upgrade away from this release made."""
        made = (one for one in self.list() if one.why == "upgrade" and one.release.id == release.id)
        return next(made, None)

    def mark_proven(self, backup: BackupId) -> Snapshot:
        """Note in the manifest that a copy of this backup was brought up, logged in to and counted, now."""
        snapshot = replace(self.find(backup), proven=self._now())
        self._write(snapshot)
        return snapshot

    def prune(self, keep: Micros | CalendarDuration | None, held: Collection[BackupId] = ()) -> Pruned:
        """Remove what may go by the contract's retention, manifests first, and what dead writes left."""
        now = self._now()
        gone = expired(self.list(), keep, now, held)
        for snapshot in gone:
            self.store.remove(snapshot.id + MANIFEST)
            self.store.remove(snapshot.id + SEALED)
        names = {entry.name for entry in self.store.entries()}
        left = [name for name in names if _is_left(name, names, now - LEFT_AFTER)]
        for name in left:
            self.store.remove(name)
        return Pruned(gone, len(left) + self.store.sweep(now - LEFT_AFTER))

    def _open(self, snapshot: Snapshot, sink: BinaryIO) -> None:
        where = f"{self.store.place}/{snapshot.id}{SEALED}"
        identity = load_identity(self._environment)
        with self.store.reading(snapshot.id + SEALED) as file:
            sealed = Hashed(file)
            unseal(sealed.as_stream(), sink, identity, where)
            while sealed.read(1 << 20):
                pass
        if (sealed.size, sealed.digest) != (snapshot.size, snapshot.digest):
            raise damaged(where)

    def _describe(self, snapshot: Snapshot) -> None:
        try:
            self._write(snapshot)
        except BaseException:
            with contextlib.suppress(CrmhostError):
                self.store.remove(snapshot.id + SEALED)
            raise

    def _write(self, snapshot: Snapshot) -> None:
        with self.store.writing(snapshot.id + MANIFEST) as file:
            file.write(encode(snapshot))

    def _read(self, entry: Entry) -> Snapshot:
        version_, snapshot = self._known.get(entry.name, ("", None))
        if snapshot is None or version_ != entry.version:
            with self.store.reading(entry.name) as file:
                snapshot = decode(file.read(), f"{self.store.place}/{entry.name}")
            self._known[entry.name] = (entry.version, snapshot)
        return snapshot


def open_shelf(fleet: Fleet, contract: str, now: Callable[[], Micros] | None = None) -> Shelf:
    """Return the backups of one contract of a fleet; nothing is reached yet."""
    settings = fleet.settings
    store = store_of(settings.backups, contract, fleet.folder, fleet.environment)
    return Shelf(contract, store, settings.recipients, fleet.environment, now or (lambda: time.time_ns() // 1000))


def _check(snapshot: Snapshot, name: str, entries: Mapping[str, Entry], where: str) -> None:
    """Raise CrmhostError where a manifest is not that of the sealed file beside it."""
    sealed = entries.get(snapshot.id + SEALED)
    if snapshot.id + MANIFEST != name:
        raise CrmhostError(f"{where}: is the manifest of {snapshot.id}")
    if sealed is None:
        raise CrmhostError(f"{where}: the sealed file of this manifest is missing")
    if sealed.size != snapshot.size:
        raise CrmhostError(
            f"{where}: the sealed file has {sealed.size} bytes, not the {snapshot.size} that were written"
        )


def _is_left(name: str, names: Collection[str], before: Micros) -> bool:
    """Tell whether a file is a sealed one whose manifest was never written, or has been removed, long ago."""
    backup = name.removesuffix(SEALED)
    if backup == name or backup + MANIFEST in names:
        return False
    stamp = backup.rsplit("-", 2)[1:2]
    try:
        taken = micros(datetime.strptime("".join(stamp), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
    except ValueError:
        return False
    return taken < before
