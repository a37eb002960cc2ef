"""Moving a customer's data on a Docker host, under the lock; see `crm.driver.Mover`."""

from __future__ import annotations

from typing import BinaryIO

from crm.backup import Contents
from crm.maintenance import RETRY_AFTER
from crm.plan import Crossing, Release, Want
from infra import crossings, dump, hoststack, naming, records, sites
from infra.stand import Stand


class CloudMover:
    """What moves one contract's data: to another schema, into a backup, and back from one."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._engine = stand.cloud.engine
        self._contract = stand.cloud.contract

    def mark(self, crossing: Crossing | None) -> None:
        """Let the host remember where an upgrade is."""
        self._stand.held.check()
        crossings.write(self._engine, self._contract, crossing)

    def close(self, want: Want) -> None:
        """Show customers the maintenance page instead of the CRM."""
        self._stand.held.check()
        sites.maintain(self._engine, want.slots["host"], on=True, retry_after=RETRY_AFTER)

    def open(self, want: Want) -> None:
        """Let customers in again."""
        self._stand.held.check()
        sites.maintain(self._engine, want.slots["host"], on=False)

    def fetch(self, want: Want) -> None:
        """Bring the host stack and the release's image to the host; nothing of the customer's is touched."""
        cloud = self._stand.cloud
        hoststack.ensure(cloud.engine, cloud.settings, cloud.host_access, cloud.progress, cloud.who)
        self._stand.image(want)

    def halt(self, want: Want, kept: Release | None = None) -> None:
        """End every process of every release, and leave one release waiting for its steps; the database is up."""
        placed = self._stand.placed(want, kept)
        self._stand.up(self._stand.halted(want, placed))
        self._stand.await_database()

    def owner(self) -> Release | None:
        """Return the release whose data is there; a database that was stopped is started, to be asked."""
        recorded = self._stand.recorded
        if recorded is None:
            return None
        database = self._engine.container(naming.database(self._contract))
        if database is None:
            return None
        if not database.running:
            self._engine.start(database.name)
        self._stand.await_database()
        if records.read(self._engine, self._contract).schema is None:
            return None
        placed = recorded.served or recorded.previous or recorded.candidate
        return None if placed is None else placed.release

    def dump(self, want: Want, sink: BinaryIO) -> Contents:
        """Write all of the customer's data to the stream."""
        return dump.dump(self._engine, self._contract, want.recipe.backup, want.secrets, sink)

    def load(self, want: Want, source: BinaryIO) -> Contents:
        """Replace the customer's data by what the stream holds; what steps derived since then is not in it."""
        recipe = want.recipe
        found = dump.load(self._engine, self._contract, recipe.backup, source, recipe.folders)
        recorded = self._stand.recorded
        for placed in () if recorded is None else recorded.releases:
            records.forget_release(self._engine, self._contract, placed.release.id)
        return found
