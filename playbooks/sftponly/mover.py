"""Moving a customer's data where there is SFTP alone, under the lock; see `crm.driver.Mover`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from crm import crossing as crossings
from crm.backup import Contents
from crm.errors import HostError
from crm.plan import Crossing, Release, Want
from playbooks.sftponly import memory
from playbooks.sftponly.dumping import dump
from playbooks.sftponly.layout import RELEASES, SHUT, Layout
from playbooks.sftponly.loading import load
from playbooks.sftponly.release import DATABASE, Kept
from playbooks.sftponly.sftp import Files

if TYPE_CHECKING:
    from playbooks.sftponly.work import SftpWork


class SftpMover:
    """What moves one contract's data: to another schema, into a backup, and back from one."""

    def __init__(self, work: SftpWork) -> None:
        self._work = work
        self._files = work.ground.files
        self._layout = work.ground.spot.layout
        self._out = False

    def mark(self, crossing: Crossing | None) -> None:
        """Let the host remember where an upgrade is."""
        self._work.held.confirm()
        memory.remember(self._files, self._layout, crossing)
        self._work.crossing = crossing

    def close(self, want: Want) -> None:  # noqa: ARG002 -- the page is the same for all
        """Show customers the maintenance page instead of the CRM; then none of them uses the database any more."""
        self._work.forget()
        if self._out:
            self._work.entrance().rest(self._work.database())
            return
        found = crossings.unfinished(self._work.crossing)
        candidate = None if found is None or found.new == found.old else found.new.id
        self._work.entrance().close(self._work.place(), candidate, self._work.database())
        self._out = True

    def open(self, want: Want) -> None:
        """Let customers in again to what serves."""
        self._work.forget()
        self._out = False
        self._say_where(want, shut=False)
        self._work.entrance().open(self._work.place())

    def fetch(self, want: Want) -> None:
        """Bring the release's tree and configuration to the host, beside what serves."""
        self._work.fetch(want)

    def halt(self, want: Want, kept: Release | None = None) -> None:
        """Leave one release ready for its steps, and nobody else at work on the database."""
        self._work.take(want, kept)
        self._say_where(want, shut=True)
        self._work.entrance().rest(self._work.database())

    def owner(self) -> Release | None:
        """Return the release whose data is there."""
        place = self._work.place()
        return place.maker(self._work.records()) if place.kept else None

    def dump(self, want: Want, sink: BinaryIO) -> Contents:
        """Write all of the customer's data to the stream; customers go on working."""
        owner, place = self.owner(), self._work.place()
        kept = None if owner is None else place.find(owner.id)
        if kept is None:
            raise HostError(
                f"{want.contract}: the host keeps no release that made its data", f"crmhost deploy {want.contract}"
            )
        return dump(self._work.way(), want, kept, sink)

    def load(self, want: Want, source: BinaryIO) -> Contents:
        """Replace the customer's data by what the stream holds; what steps derived is derived anew."""
        return load(self._work.way(), want, source)

    def _say_where(self, want: Want, *, shut: bool) -> None:
        """Let the configuration of releases that are shut say where they lie; or where they will serve."""
        paths = [file.path for file in want.recipe.files_with(DATABASE)]
        home = self._work.home()
        for kept in self._work.place().kept:
            if kept.shut:
                say_where(self._files, self._layout, kept, paths, home, shut=shut)


def say_where(files: Files, layout: Layout, kept: Kept, paths: Iterable[str], home: str, *, shut: bool) -> None:
    """Write where a release that is shut lies into the files of its configuration, or where it serves.

    home: the contract's folder as PHP names it.
    """
    serves, lies = (f"{home}/{top}/{kept.id}".encode() for top in (RELEASES, SHUT))
    old, new = (serves, lies) if shut else (lies, serves)
    for name in paths:
        path = f"{layout.below(kept.folder)}/{name}"
        entry, text = files.entry(path), files.read(path)
        if entry is not None and text is not None and old in text:
            files.write(path, text.replace(old, new), entry.mode)
