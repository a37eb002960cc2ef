"""What is done while the contract's lock is held, on a host where no command runs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence

from crm import crossing as crossings
from crm.errors import CrmhostError, HostError, Refused
from crm.plan import Crossing, Event, Plan, Release, Want
from crm.recipe import Step
from crm.steps import Records
from playbooks.sftponly import closed, memory
from playbooks.sftponly.ask import Asker
from playbooks.sftponly.changes import plan_of
from playbooks.sftponly.closed import Entrance
from playbooks.sftponly.ground import Ground
from playbooks.sftponly.installer import Installer, sweep
from playbooks.sftponly.layout import RELEASES, SHUT
from playbooks.sftponly.lock import Held
from playbooks.sftponly.mover import SftpMover
from playbooks.sftponly.place import Place, look, web_folders
from playbooks.sftponly.release import release_of, values
from playbooks.sftponly.remove import Remover, past
from playbooks.sftponly.root import check_hidden, recover, serve
from playbooks.sftponly.running import Runner
from playbooks.sftponly.sftp import NEW
from playbooks.sftponly.stage import Stager
from playbooks.sftponly.steps import LOG, database, due_of, records_of
from playbooks.sftponly.survey import Survey, configuration, survey
from playbooks.sftponly.way import Way, leftovers

ACCEPTED_GAP = 1.0
"""Seconds for which a switch may leave the site without a release, where the server cannot rename in one step."""


class SftpWork:
    """The work of one operation, in the order of the sequence; see `crm.driver.Work`."""

    def __init__(self, ground: Ground, held: Held) -> None:
        self.ground = ground
        self.held = held
        self._files = ground.files
        self._spot = ground.spot
        self._layout = ground.spot.layout
        self.installer = Installer(
            ground.files, ground.spot.site, self._layout, "work", lambda said: self.say("php", "note", said)
        )
        self._stager = Stager(ground.files, self.installer, self._layout, ground.spot.archives, self.say, held.confirm)
        self._mover = SftpMover(self)
        self._survey: Survey | None = None
        self._brought: Release | None = None
        self._records: Records | None = None
        self.crossing: Crossing | None = None
        self._phase = "stage"

    def begin(self) -> None:
        """Remove what killed runs have left: installers, half a switch, a page that nobody needs any more."""
        self.held.confirm()
        recover(self._files, self._layout)
        memory.mend(self._files, self._layout)
        self.crossing = memory.recall(self._files, self._layout)
        place = self.place()  # it says what is missing
        for name in ("journal", LOG):
            self._files.create(self._layout.below(name), b"")
        for folder in (kept.folder for kept in place.kept):
            for new in (NEW, f"{NEW}.json"):  # the proof and the manifest, which may be written though nothing differs
                self._files.drop(f"{self._layout.below(folder)}/{new}")
        self._phase = "recover"
        again = closed.recover(self._files, self._layout, place, under_way=self._under_way)
        gone = sweep(self._files, web_folders(self._files, self._layout))
        if gone:
            self.say("left over", "done", f"{len(gone)} pages of a killed run were removed")
        for name in leftovers(self.way()):
            self.say("left over", "done", f"{name} was removed")
        if self._layout.copied:
            self._remover().left_by_copy()
        if again:
            self.entrance().see_anew(place)
            self.say("left over", "done", "the maintenance page of a killed run was taken away")
        self._phase = "stage"

    def close(self) -> None:
        """Leave nothing behind in the web root."""
        with contextlib.suppress(CrmhostError):
            self.installer.leave()

    def plan(self, want: Want) -> Plan:
        """Ask the host once more, now that nobody else can change it."""
        return plan_of(self._look(want))

    def stage(self, want: Want, plan: Plan) -> None:  # noqa: ARG002 - the survey under the lock says more than the plan
        """Bring the tree, the configuration and an empty database to the host, beside what serves."""
        reset = self._known(want).due.reset
        self.fetch(want)
        if reset is not None:
            self.say("database", "begin", reset)
            self.installer.ask("clear", database=self.database())
            self.say("database", "done")

    def fetch(self, want: Want) -> None:
        """Bring the tree and the configuration to the host, beside what serves, and touch no database."""
        seen = self._known(want)
        self.held.confirm()
        check_hidden(self._files, self._spot.site, self._layout)
        kept = seen.place.find(seen.release.id)
        tree = kept.manifest.tree if kept is not None else self._stager.tree(want, seen.place, seen.release)
        if seen.drift:
            self._stager.mend(want, seen.place.folder(seen.release.id), seen.drift)
        self._stager.own(seen if seen.whole else self._look(want), tree)
        if self._layout.copied:
            self.installer.ask("take_trial", database=self.database(), run=self.held.token)

    def due(self, want: Want) -> Sequence[Step]:
        """Return the steps that the database does not say are finished, in order, of the release that is at work."""
        self._records = self.records()
        return due_of(want, self._release(want), self._records).steps

    def run(self, want: Want, step: Step) -> None:
        """Run one step between its two records; raises HostError when its output is not what it should be."""
        release = self._release(want)
        self.held.confirm()
        runner = Runner(
            want=want,
            release=release,
            records=self._records or self.records(),
            asker=self._asker(want, release),
            installer=self.installer,
            database=self.database(),
            record=self.record,
            log=lambda text: self._files.append(self._layout.below(LOG), text.encode()),
        )
        runner.run(step)

    def ready(self, want: Want, release: Release) -> None:
        """Ask the candidate through the installer until it reaches its database; raises GateFailed."""
        self.held.confirm()
        still = self.place().still(release)
        self._asker(want, release).wait(want.recipe.ready, release, self.ground.patience, still)

    def switch(self, want: Want, release: Release) -> None:
        """Let the release serve: one rename of a link, where the server can; else two, and the gap is measured."""
        if self._layout.copied:
            raise Refused(f"{self._layout.contract} is a copy of {self._layout.copied}: nobody is sent to it", "")
        self._phase = "switch"
        place = self.place()
        self.installer.leave()
        self.held.confirm()
        self.record(Event("switch", release.id, "begin", f"from {place.serving}"))
        gap = self._files.link(f"releases/{release.id}", self._layout.current)
        gap += serve(self._files, self._layout, place, self._layout.served(want.recipe.web_root))
        if gap:
            self.say("gap", "note", f"the site had no release for {gap * 1000:.0f} ms")
        if gap > ACCEPTED_GAP:
            self.say("gap", "note", "that is long: the server knows no posix-rename, and the way to it is slow")
        self.installer.ask("fresh")
        self.record(Event("switch", release.id, "done"))
        self._phase = "stage"

    def revert(self, want: Want, failed: Release) -> str:
        """Let the release that served before serve again; where there is none, nothing serves."""
        if self._under_way:
            self.mover().close(want)
            return "The maintenance page is shown."
        self.installer.leave()
        self.held.confirm()
        place = self.place()
        before = place.proven_beside(failed)
        if before is None:
            self._remover().unserve(place)
            return f"{failed.id} was taken away again; nothing serves at {self._spot.site.url}."
        self._files.link(f"releases/{before.id}", self._layout.current)
        self._files.link(self._layout.served(before.manifest.web_root), self._layout.document_root)
        self.installer.ask("fresh")
        return f"{before.id} serves again."

    def record(self, event: Event) -> None:
        """Write a line in the host's journal."""
        line = {
            "at": int(time.time()),
            "by": self.held.token,
            "phase": event.phase,
            "subject": event.subject,
            "state": event.state,
            "detail": event.detail,
        }
        with contextlib.suppress(HostError):
            self._files.append(self._layout.below("journal"), (json.dumps(line) + "\n").encode())

    def retire(self, want: Want, release: Release) -> None:  # noqa: ARG002 - what is kept does not depend on the contract
        """Write down that the release has proven itself; remove what is past the last few."""
        self.held.confirm()
        proven = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.installer.now()))
        place = self.place()
        self._files.write(f"{self._layout.below(place.folder(release.id))}/proven", proven.encode())
        for name in past(self.place(), release.id, crossings.unfinished(self.crossing)):
            self.installer.ask("forget", database=self.database(), release=name)
            for top in (SHUT, RELEASES):  # a page in the place of a release says nothing once that is gone
                self._stager.remove(f"{top}/{name}")
            self.say(name, "done", "removed")
        self._stager.remove("packs")

    def bring(self, want: Want, release: Release) -> None:
        """Mend a kept release's tree, and write its configuration anew where the contract still says it."""
        self._brought = release
        self.held.confirm()
        check_hidden(self._files, self._spot.site, self._layout)
        kept = self.place().find(release.id)
        if kept is None:
            raise Refused(f"{release.id} is not on the host any more", "Deploy its version instead.")
        drift = self._stager.drift(kept)
        if drift:
            self._stager.mend(want, kept.folder, drift)
        if release_of(want, self._spot.server) == release:
            for one in configuration(want, values(want, release, self.home(), self._spot.server)):
                self._stager.put(kept.folder, one)

    def mover(self) -> SftpMover:
        """Return what moves the customer's data."""
        return self._mover

    def destroy(self, *, keep_data: bool) -> None:
        """Remove everything of the contract, and prove by SFTP and HTTPS that it is gone."""
        self.held.confirm()
        self._remover().contract(keep_data=keep_data)

    def place(self) -> Place:
        """Return what lies on the host."""
        return look(self._files, self._layout)

    def records(self) -> Records:
        """Return what the customer's database says."""
        return records_of(self.installer.ask("records", database=self.database()), self._spot.server.name)

    def home(self) -> str:
        """Return the contract's folder as PHP names it."""
        return str(self.installer.ask("look", extensions=[])["home"])

    def forget(self) -> None:
        """Look at the host anew before what follows."""
        self._survey = None

    def take(self, want: Want, kept: Release | None) -> None:
        """Let a kept release, or what is wanted, be the one at work, with all that it needs but the database."""
        self.forget()
        self._brought = None
        if kept is not None:
            self.bring(want, kept)
        else:
            self.fetch(want)
        self.forget()

    def way(self) -> Way:
        """Return what moving the customer's data needs."""
        return Way(self._files, self.installer, self._layout, self._spot.server, self.say, self.held.confirm)

    def entrance(self) -> Entrance:
        """Return the way of customers to the site."""
        return Entrance(self._files, self.installer, self._spot.site, self._layout, self.held.confirm)

    def database(self) -> Mapping[str, object]:
        """Return how the installer reaches the database; raises Refused where the fleet has no password for it."""
        return database(self._spot.server, self._layout.contract)

    def say(self, subject: str, state: str, detail: str = "") -> None:
        """Tell people what is done, and write it in the journal."""
        event = Event(self._phase, subject, state, detail)  # type: ignore[arg-type] # its callers give the Literal
        self.record(event)
        self.ground.progress(event)

    @property
    def _under_way(self) -> bool:
        return crossings.unfinished(self.crossing) is not None

    def _look(self, want: Want) -> Survey:
        given = (self._files, self.installer, self._layout, want, self._spot.server)
        self._survey = survey(*given, self.held.token)
        self.crossing = self._survey.crossing
        return self._survey

    def _known(self, want: Want) -> Survey:
        return self._survey if self._survey is not None else self._look(want)

    def _release(self, want: Want) -> Release:
        return self._brought if self._brought is not None else release_of(want, self._spot.server)

    def _asker(self, want: Want, release: Release) -> Asker:
        spot, folder = self._spot, self.place().folder(release.id)
        known = values(want, release, self.home(), spot.server, folder)
        copy = bool(self._layout.copied)
        return Asker(spot.site, self.installer, spot.server, want, folder, known, staged=True, copy=copy)

    def _remover(self) -> Remover:
        spot = self._spot
        return Remover(self._files, self.installer, spot.site, self._layout, spot.server, self.held.confirm)
