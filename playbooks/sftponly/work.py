"""What is done while the contract's lock is held, on a host where no command runs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from crm.driver import Archives, Progress
from crm.errors import CrmhostError, HostError, Refused
from crm.plan import Event, Plan, Release, Want
from crm.recipe import Ask, Step
from crm.steps import key, ordered, unfinished
from playbooks.sftponly.ask import Asker
from playbooks.sftponly.changes import plan_of
from playbooks.sftponly.installer import Installer, sweep
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.lock import Held
from playbooks.sftponly.place import Place, look, web_folders
from playbooks.sftponly.release import Kept, Server, release_of, values
from playbooks.sftponly.remove import Remover, past
from playbooks.sftponly.root import check_hidden, recover, serve
from playbooks.sftponly.sftp import NEW, Files
from playbooks.sftponly.stage import Stager
from playbooks.sftponly.steps import LOG, PHASES, Request, database, due, masked, records_of, way_of
from playbooks.sftponly.survey import Survey, configuration, survey
from playbooks.sftponly.web import Site

ACCEPTED_GAP = 1.0
"""Seconds for which a switch may leave the site without a release, where the server cannot rename in one step."""


@dataclass(frozen=True, slots=True)
class Spot:
    """What a contract says of its host, and where archives come from."""

    layout: Layout
    site: Site
    server: Server
    archives: Archives


@dataclass(frozen=True, slots=True)
class Ground:
    """One contract's host, connected. patience: seconds that a candidate has."""

    files: Files
    spot: Spot
    progress: Progress
    patience: float = 30.0


class SftpWork:
    """The work of one operation, in the order of the sequence; see `crm.driver.Work`."""

    def __init__(self, ground: Ground, held: Held) -> None:
        self._ground = ground
        self._held = held
        self._files = ground.files
        self._spot = ground.spot
        self._layout = ground.spot.layout
        self._installer = Installer(
            ground.files, ground.spot.site, self._layout, "work", lambda said: self._say("php", "note", said)
        )
        self._stager = Stager(
            ground.files, self._installer, self._layout, ground.spot.archives, self._say, held.confirm
        )
        self._survey: Survey | None = None
        self._brought: Release | None = None
        self._phase = "stage"

    def begin(self) -> None:
        """Remove what killed runs have left: installers, half a switch."""
        self._held.confirm()
        recover(self._files, self._layout)
        look(self._files, self._layout)  # it says what is missing
        for name in ("journal", LOG):
            self._files.create(self._layout.below(name), b"")
        for entry in self._files.list(self._layout.below("releases")):
            for new in (NEW, f"{NEW}.json"):  # the proof and the manifest, which may be written though nothing differs
                self._files.drop(f"{self._layout.release(entry.name)}/{new}")
        gone = sweep(self._files, web_folders(self._files, self._layout))
        if gone:
            self._phase = "recover"
            self._say("left over", "done", f"{len(gone)} pages of a killed run were removed")
            self._phase = "stage"

    def close(self) -> None:
        """Leave nothing behind in the web root."""
        with contextlib.suppress(CrmhostError):
            self._installer.leave()

    def plan(self, want: Want) -> Plan:
        """Ask the host once more, now that nobody else can change it."""
        return plan_of(self._look(want))

    def stage(self, want: Want, plan: Plan) -> None:  # noqa: ARG002 - the survey under the lock says more than the plan
        """Bring the tree, the configuration and an empty database to the host, beside what serves."""
        seen = self._known(want)
        self._held.confirm()
        check_hidden(self._files, self._spot.site, self._layout)
        kept = seen.place.find(seen.release.id)
        tree = kept.manifest.tree if kept is not None else self._stager.tree(want, seen.place, seen.release)
        if seen.drift:
            self._stager.mend(want, seen.release, seen.drift)
        self._stager.own(self._look_again(want, seen), tree)
        if seen.due.reset is not None:
            self._say("database", "begin", seen.due.reset)
            self._installer.ask("clear", database=database(self._spot.server, want.contract))
            self._say("database", "done")

    def due(self, want: Want) -> Sequence[Step]:
        """Return the steps that the database does not say are finished, in order."""
        server = self._spot.server
        records = records_of(self._installer.ask("records", database=database(server, want.contract)), server.name)
        if self._brought is None:
            return due(want, self._known(want).release, records).steps
        return unfinished(ordered(want.recipe, PHASES), self._brought, records, LOG)

    def run(self, want: Want, step: Step) -> None:
        """Run one step between its two records; raises HostError when its output is not what it should be."""
        release = self._release(want)
        self._held.confirm()
        asker = self._asker(want, release)
        name = key(step, release)
        guard = step.done if isinstance(step.done, Ask) else None
        self.record(Event("steps", name, "begin"))
        if guard is not None and asker.holds(guard):
            self._mark(want, release, name, "finished")
            return
        self._mark(want, release, name, "started")
        given = way_of(step, want, asker.known)
        answer = asker.do(given, step.timeout)
        text = str(answer) if isinstance(given, Request) else answer.text
        shown = masked(text, want)
        self._files.append(self._layout.below(LOG), f"--- {name} of {release.id}\n{shown}\n".encode())
        if not Ask(want.recipe.live.how, step.ok).holds(text):
            raise HostError(
                f"step {step.name} did not answer {step.ok!r}; its answer ends with:\n{_tail(shown)}",
                f"the whole answer: crmhost logs {want.contract} steps; mend the cause and deploy again",
            )
        if guard is not None and not asker.holds(guard):
            raise HostError(
                f"step {step.name} answered {step.ok!r}, and yet the recipe's question says that it is not done",
                f"look at its answer: crmhost logs {want.contract} steps",
            )
        self._mark(want, release, name, "finished")
        self.record(Event("steps", name, "done"))

    def ready(self, want: Want, release: Release) -> None:
        """Ask the candidate through the installer until it reaches its database; raises GateFailed."""
        self._held.confirm()
        place = look(self._files, self._layout)
        self._asker(want, release).wait(want.recipe.ready, self._ground.patience, _still(place, release))

    def switch(self, want: Want, release: Release) -> None:
        """Let the release serve: one rename of a link, where the server can; else two, and the gap is measured."""
        self._phase = "switch"
        place = look(self._files, self._layout)
        self._installer.leave()
        self._held.confirm()
        self.record(Event("switch", release.id, "begin", f"from {place.serving}"))
        gap = self._files.link(f"releases/{release.id}", self._layout.current)
        gap += serve(self._files, self._layout, place, self._layout.served(want.recipe.web_root))
        if gap:
            self._say("gap", "note", f"the site had no release for {gap * 1000:.0f} ms")
        if gap > ACCEPTED_GAP:
            self._say("gap", "note", "that is long: the server knows no posix-rename, and the way to it is slow")
        self._installer.ask("fresh")
        self.record(Event("switch", release.id, "done"))
        self._phase = "stage"

    def revert(self, want: Want, failed: Release) -> str:  # noqa: ARG002 - the host knows what served before
        """Let the release that served before serve again; where there is none, nothing serves."""
        self._installer.leave()
        self._held.confirm()
        place = look(self._files, self._layout)
        before = _same_schema(place, failed)
        if before is None:
            self._remover().unserve(place)
            return f"{failed.id} was taken away again; nothing serves at {self._spot.site.url}."
        self._files.link(f"releases/{before.id}", self._layout.current)
        self._files.link(self._layout.served(before.manifest.web_root), self._layout.document_root)
        self._installer.ask("fresh")
        return f"{before.id} serves again."

    def record(self, event: Event) -> None:
        """Write a line in the host's journal."""
        line = {
            "at": int(time.time()),
            "by": self._held.token,
            "phase": event.phase,
            "subject": event.subject,
            "state": event.state,
            "detail": event.detail,
        }
        with contextlib.suppress(HostError):
            self._files.append(self._layout.below("journal"), (json.dumps(line) + "\n").encode())

    def retire(self, want: Want, release: Release) -> None:
        """Write down that the release has proven itself; remove what is past the last few."""
        self._held.confirm()
        proven = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._installer.now()))
        self._files.write(f"{self._layout.release(release.id)}/proven", proven.encode())
        for name in past(look(self._files, self._layout), release.id):
            self._installer.ask("forget", database=database(self._spot.server, want.contract), release=name)
            self._stager.remove(f"releases/{name}")
            self._say(name, "done", "removed")
        self._stager.remove("packs")

    def bring(self, want: Want, release: Release) -> None:
        """Mend a kept release's tree, and write its configuration anew where the contract still says it."""
        self._brought = release
        self._held.confirm()
        check_hidden(self._files, self._spot.site, self._layout)
        kept = look(self._files, self._layout).find(release.id)
        if kept is None:
            raise Refused(f"{release.id} is not on the host any more", "Deploy its version instead.")
        drift = self._stager.drift(kept)
        if drift:
            self._stager.mend(want, release, drift)
        if release_of(want, self._spot.server) == release:
            for one in configuration(want, self._values(want, release)):
                self._stager.put(release, one)

    def mover(self) -> None:
        """Return nothing: over SFTP alone no backup is surely whole, so no schema is changed and nothing restored."""

    def destroy(self, *, keep_data: bool) -> None:
        """Remove everything of the contract, and prove by SFTP and HTTPS that it is gone."""
        self._held.confirm()
        self._remover().contract(keep_data=keep_data)

    def _look(self, want: Want) -> Survey:
        self._survey = survey(self._files, self._installer, self._layout, want, self._spot.server)
        return self._survey

    def _look_again(self, want: Want, seen: Survey) -> Survey:
        """Return what is missing of the release's own files, now that its tree is there."""
        return seen if seen.whole else self._look(want)

    def _known(self, want: Want) -> Survey:
        return self._survey if self._survey is not None else self._look(want)

    def _release(self, want: Want) -> Release:
        return self._brought if self._brought is not None else self._known(want).release

    def _values(self, want: Want, release: Release) -> dict[str, str]:
        return dict(values(want, release, self._known(want).home, self._spot.server))

    def _asker(self, want: Want, release: Release) -> Asker:
        spot = self._spot
        return Asker(spot.site, self._installer, spot.server, want, release, self._values(want, release), staged=True)

    def _mark(self, want: Want, release: Release, name: str, state: str) -> None:
        schema = [release.recipe, release.version, release.schema]
        db = database(self._spot.server, want.contract)
        self._installer.ask("mark", database=db, name=name, state=state, release=release.id, schema=schema)

    def _remover(self) -> Remover:
        spot = self._spot
        return Remover(self._files, self._installer, spot.site, self._layout, spot.server, self._held.confirm)

    def _say(self, subject: str, state: str, detail: str = "") -> None:
        event = Event(self._phase, subject, state, detail)  # type: ignore[arg-type] # its callers give the Literal
        self.record(event)
        self._ground.progress(event)


def _same_schema(place: Place, failed: Release) -> Kept | None:
    kept = [one for one in place.kept if one.id != failed.id and one.proven]
    return next((one for one in kept if one.manifest.release.schema == failed.schema), None)


def _still(place: Place, candidate: Release) -> str:
    if place.serving is None or place.serving == candidate.id:
        return "Nothing was switched; the candidate is kept on the host, and the next deploy tries again."
    return f"{place.serving} still serves; the candidate is kept on the host, and the next deploy tries again."


def _tail(text: str, lines: int = 12) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines()[-lines:])
