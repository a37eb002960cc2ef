"""Moving a customer's data on a web host, under the lock; see `crm.driver.Mover`."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from crm.backup import Contents
from crm.errors import HostError
from crm.plan import Crossing, Release, Want
from playbooks.kept import maker
from playbooks.mover import copying
from playbooks.mover.copying import Ground
from playbooks.webhost import hostdata
from playbooks.webhost.slots import python_of

if TYPE_CHECKING:
    from playbooks.webhost.work import WebHostWork


class WebHostMover:
    """What moves one contract's data: to another schema, into a backup, and back from one.

    Raises HostError where the host lacks the programs for the database that it gave, before anything is done.
    """

    def __init__(self, work: WebHostWork) -> None:
        self._work = work
        self._given = work.layout.access if work.layout.database == "mysql" else ""
        if self._given:
            hostdata.check_programs(work.session.host, work.layout.contract)

    def mark(self, crossing: Crossing | None) -> None:
        """Let the host remember where an upgrade is."""
        self._work.remember(crossing)

    def close(self, want: Want) -> None:
        """Show customers the maintenance page instead of the CRM."""
        self._work.close(want)

    def open(self, want: Want) -> None:  # noqa: ARG002 -- what is shown does not depend on the contract
        """Let customers in again."""
        self._work.open()

    def fetch(self, want: Want) -> None:
        """Bring the release's artifact and files to the host, beside what serves."""
        self._work.fetch(want)

    def halt(self, want: Want, kept: Release | None = None) -> None:
        """End every process and job of every release, and leave one release ready for its steps."""
        self._work.halt(want, kept)

    def owner(self) -> Release | None:
        """Return the release whose data is there."""
        place = self._work.place()
        return maker(place.kept, place.serving, self._work.records()) if place.kept else None

    def dump(self, want: Want, sink: BinaryIO) -> Contents:
        """Write all of the customer's data to the stream."""
        session, ground, what = self._work.session, self._ground(), want.recipe.backup
        if self._given:
            return hostdata.dump(session, ground, self._given, what, want.secrets, sink)
        return copying.dump(session, ground, what, want.secrets, sink)

    def load(self, want: Want, source: BinaryIO) -> Contents:
        """Replace the customer's data by what the stream holds; what steps derived is derived anew."""
        session, ground, recipe = self._work.session, self._ground(), want.recipe
        if self._given:
            return hostdata.load(session, ground, self._given, recipe.backup, source, recipe.folders)
        return copying.load(session, ground, recipe.backup, source, recipe.folders)

    def _ground(self) -> Ground:
        layout = self._work.layout
        kept = next(iter(self._work.place().kept), None)
        if kept is None:
            raise HostError(f"{layout.contract}: the host keeps no release", f"crmhost deploy {layout.contract}")
        python = python_of(layout, kept.manifest)
        return Ground(layout.contract, python, layout.db, layout.data, layout.process_log("steps"))
