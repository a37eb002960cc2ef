"""What is done on a server while the contract's lock is held."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from crm.driver import Progress
from crm.errors import GateFailed, HostError
from crm.plan import Plan, Release, Want
from crm.recipe import Step
from crm.steps import Records
from playbooks.asking import Manner, gate_error
from playbooks.converge import changes
from playbooks.course import Course, Patience, still
from playbooks.hostwork import LOG_LINES, HostWork
from playbooks.kept import artifacts_of
from playbooks.kind import Resource
from playbooks.kinds.firewall import FirewallKind
from playbooks.kinds.unit import UnitKind
from playbooks.lan import certificates, remove, sites, templates
from playbooks.lan import resources as made
from playbooks.lan.exchange import Exchange
from playbooks.lan.facts import Place
from playbooks.lan.firewall import together
from playbooks.lan.issuing import Present, present, read_site, refused
from playbooks.lan.layout import Layout
from playbooks.lan.mover import LanMover
from playbooks.lan.release import release_of
from playbooks.lan.server import FIREWALL, JOURNAL, Setup
from playbooks.lan.slots import values
from playbooks.lan.survey import Survey, look, manner, plan_of, port_of, recorded, survey
from playbooks.leaving import drop_artifacts
from playbooks.manifest import Manifest
from playbooks.observe import observe
from playbooks.planned import changed_ground
from playbooks.session import Session
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe

_DATABASE = frozenset({"role", "pgdatabase"})
_LATER = _DATABASE | {"certificate"}


class LanWork(HostWork[Layout, Place, Survey]):
    """The work of one operation on a server, where the release that took over runs beside the one that served."""

    machine = "server"
    was_ready = "was ready, and is not any more"
    steps_log = "{log} on the server"
    asking = 60.0

    def __init__(
        self, session: Session, layout: Layout, setup: Setup, progress: Progress, patience: Patience, salt: str
    ) -> None:
        super().__init__(session, layout, progress, patience)
        self._setup = setup
        self._salt = salt
        self._exchange = Exchange(session, layout, setup, salt, run=self._run, converge=self._converge)

    def plan(self, want: Want) -> Plan:
        """Ask the server once more, now that nobody else can change what is the contract's there."""
        return plan_of(self._look(want))

    def stage(self, want: Want, plan: Plan) -> None:  # noqa: ARG002 - the survey under the lock says more than the plan
        """Bring packages, account, folders, files, artifact and database to the server, beside what serves."""
        seen = self._staging(want)
        if changed_ground(seen):
            self._run("mark what must restart", remove.stale(made.unit_names(self.layout, seen.manifest)))
        self.fetch(want)
        self.ground(want)

    def fetch(self, want: Want) -> None:
        """Bring everything but the database to the server, beside what serves."""
        seen = self._known(want)
        due = self._due(seen)
        if due:
            self._exchange.begin(want)
        with self._exchange.or_as_it_was():
            self._bring(want, seen, due)

    def _bring(self, want: Want, seen: Survey, due: Sequence[Resource]) -> None:
        with_site = {one.id for one in certificates.at_switch(self.layout, self._setup, self._salt)}
        ground = [one for one in seen.staged.resources if one.kind.name not in _LATER and one.id not in with_site]
        journal = {change.resource for change in changes(ground, seen.seen)} & {f"file:{JOURNAL}"}
        site = self._present() if due else None
        if site is not None and site.lost:
            self._converge(
                [certificates.stand_in(self.layout, sites.interim(self.layout, want.slots["url"], serves=False))]
            )
        self._converge(ground)
        if journal:
            # Without the first, systemd refuses to start it for several new customers of one server within seconds.
            restart = lines(sh("systemctl reset-failed systemd-journald"), sh("systemctl restart systemd-journald"))
            self._run("limit the journal", restart)
        if site is not None:
            self._certify(want, due, site)

    def ground(self, want: Want) -> None:
        """Bring the database: as it is, empty, or as the template of an initialised one."""
        seen = self._known(want)
        if seen.due.reset is not None:
            self._run("begin with an empty database", templates.empty(self.layout))
        if seen.forget:
            self._run("forget what was derived", remove.forget(self.layout, seen.release.id, seen.known["dbport"]))
        self._converge([one for one in seen.staged.resources if one.kind.name in _DATABASE])
        if seen.records.template or seen.due.reset is not None:
            name, port = seen.template[0], port_of(self.place())
            self._run("begin from the template", templates.begin(self.layout, name, port), timeout=1800.0)

    def _due(self, seen: Survey) -> Sequence[Resource]:
        """Return the certificate that the server is to get by itself, where that is due."""
        found = [one for one in seen.staged.resources if one.kind.name == "certificate"]
        return found if changes(found, seen.seen) else ()

    def _present(self) -> Present | None:
        """Ask what the contract's site on the server is now, where an authority is to ask it."""
        asked = self._setup.acme
        if asked is None:
            return None
        return read_site(self.session.host.ask(present(self.layout, asked)).decode("utf-8", "replace"))

    def _certify(self, want: Want, wanted: Sequence[Resource], site: Present) -> None:
        """Let the server get its certificate beside what serves; raises HostError with what to do.

        Where the site that serves does not answer the authority, one at port 80 does so meanwhile.
        """
        text = None if site.answers or site.lost else self._interim(want, site)
        if text is not None:
            self._converge([certificates.interim(self.layout, text)])
        try:
            self._converge(wanted)
        except HostError as failure:
            raise failure if self._setup.acme is None else refused(self._setup.acme, failure) from failure
        finally:
            if text is not None:
                with contextlib.suppress(HostError):  # what failed is what is told; the switch removes it, too
                    self._converge([certificates.interim(self.layout, None)])

    def _interim(self, want: Want, site: Present) -> str:
        """Return the site at port 80 that answers the authority, and everybody else as the one that serves does."""
        url, place = want.slots["url"], self.place()
        if site.secured:
            return sites.sent_on(self.layout, url)
        return sites.interim(self.layout, url, serves=place.find(place.serving) is not None)

    def mover(self) -> LanMover:
        """Return what moves the customer's data."""
        return LanMover(self)

    def destroy(self, *, keep_data: bool) -> None:
        """Stop and remove everything of the contract, and prove that it is gone; may be run again at any time."""
        place = self.place()
        self._unserve(place)
        self._run("end what is left", remove.end_units(self.layout))
        self._converge(made.account_gone(self.layout, keep_data=keep_data))
        if together(place.firewalls.values()) is None:  # else the next deploy of whoever asks for one narrows it
            self._converge([Resource(FirewallKind(), FIREWALL, None)])
        releases = sh("rm -rf {releases}", releases=self.layout.releases)
        self._run("remove the artifacts", lines(releases, drop_artifacts(self.layout, artifacts_of(place.kept))))
        self._destroyed = True
        # Asked beside the lock's own jobs: those write to the journal, which goes with the rest.
        host = self.session.host
        host.ask(remove.drop_folders(self.layout, keep_data=keep_data), timeout=300.0)
        host.ask(remove.drop_engine(self.layout))
        left = host.ask(remove.left_over(self.layout, keep_data=keep_data)).decode("utf-8", "replace").strip()
        gone = made.account_gone(self.layout, keep_data=keep_data)
        left += "".join(f"\n{change.resource}" for change in changes(gone, observe(host, gone).seen if gone else {}))
        if left:
            raise HostError(
                f"{self.layout.contract} was removed, and this is still there: {safe(left)}", "Run destroy again."
            )

    def place(self) -> Place:
        """Return what lies in the contract's folder, and what the server is."""
        return look(self.session.host, self.layout)[0]

    def records(self) -> Records:
        """Return what the customer's database says."""
        return recorded(self.session.host, self.layout, port_of(self.place()))

    def close(self, want: Want) -> None:
        """Show customers the maintenance page; where nothing was ever there, nothing is shown."""
        place = self.place()
        shown = place.find(place.serving) or next(iter(place.kept), None)
        if shown is None:
            return
        script = lines(self._exchange.keep(want), sh(": >{closed}", closed=self.layout.closed))
        self._run("remember that it is closed", script)
        front = made.front(self.layout, shown.manifest, self._exchange.site(want), closed=True)
        self._converge([*self._exchange.at_switch(), *front])

    def open(self, want: Want) -> None:
        """Let customers in again, where `switch` has not done so."""
        place = self.place()
        serving = place.find(place.serving)
        script = lines(self._exchange.keep(want), sh("rm -f {closed}", closed=self.layout.closed))
        self._run("remember that it is open", script)
        if serving is not None:
            front = made.front(self.layout, serving.manifest, self._exchange.site(want), closed=False)
            self._converge([*self._exchange.at_switch(), *front])

    def run(self, want: Want, step: Step) -> None:
        """Run one step between its two records; raises HostError when its output is not what it should be."""
        with self._exchange.or_as_it_was():
            super().run(want, step)

    def revert(self, want: Want, failed: Release) -> str:
        """Let the release that served before serve again at its own site; where there is none, nothing serves."""
        back = self._exchange.put_back()
        said = super().revert(want, failed)
        if back:
            self._exchange.forget()
        if not back or self.place().serving is None:
            return said
        return f"{said.rstrip('.')}. Its site and certificate are those from before."

    def halt(self, want: Want, kept: Release | None) -> None:
        """End every process of every release; then a kept release, or what is wanted, is ready for its steps.

        A kept one has its own site then, if it was to get another one with the release that failed.
        """
        if kept is not None:
            self._exchange.put_back()
        self._converge(made.ended(self.layout, [one.manifest for one in self.place().kept]))
        super().halt(want, kept)

    def _asked(self, want: Want) -> Survey:
        return survey(self.session.host, self.layout, want, self._setup, self._salt)

    def _means(self, want: Want) -> Release:
        return release_of(want)

    def _known_of(self, want: Want, manifest: Manifest, place: Place) -> Mapping[str, str]:
        return values(self.layout, want, manifest.release, manifest.artifact, manifest.listen, port_of(place))

    def _records_of(self, want: Want, manifest: Manifest, place: Place) -> Records:  # noqa: ARG002 - no template counts
        return recorded(self.session.host, self.layout, port_of(place))

    def _manner(self, known: Mapping[str, str], *, reached: bool = False) -> Manner:
        return manner(self.layout, known, reached=reached)

    def _keep_template(self, want: Want, course: Course) -> None:
        seen = self._survey
        if seen is None or seen.release != course.manifest.release or seen.template[1]:
            return
        if templates.may_keep(want.recipe, self.records()):
            keep = templates.keep(self.layout, seen.template[0], course.known["dbport"])
            self._run("keep a template", keep, timeout=1800.0)

    def _try(self, want: Want, manifest: Manifest, place: Place) -> None:
        """Start the release's web process beside what serves, on the port that it will be served from."""
        with self._exchange.or_as_it_was():
            self._candidate(want, manifest, place)

    def _candidate(self, want: Want, manifest: Manifest, place: Place) -> None:
        release = manifest.release
        what = f"the candidate {release.id} did not become ready"
        try:
            self._converge([made.web(self.layout, manifest, place, boot=None)])
        except HostError as failure:
            self._end_candidate(place, manifest)
            raise GateFailed(f"{what}: {failure.what}", still(place, release)) from failure
        answer = self._answer(want, manifest, place, self._patience.candidate)
        if not answer.held:
            log = self._tail(self._log(manifest))
            self._end_candidate(place, manifest)
            raise gate_error(what, answer, want.recipe.ready, log, still(place, release))

    def _end_candidate(self, place: Place, manifest: Manifest) -> None:
        """End a candidate that failed, unless it is what serves; its files are kept for inspection."""
        if place.serving != manifest.release.id:
            self._converge([Resource(UnitKind(), self.layout.unit(manifest.release, "web"), None)])

    def _serve(self, want: Want, manifest: Manifest, place: Place) -> None:
        self.session.host.ask(lines(self._exchange.keep(want), sh("rm -f {closed}", closed=self.layout.closed)))
        serving = made.serving(self.layout, manifest, place, self._exchange.site(want))
        self._converge([*self._exchange.at_switch(), *serving])

    def _resume(self, want: Want, manifest: Manifest, place: Place) -> None:
        self._serve(want, manifest, place)
        self._converge(made.drained(self.layout, manifest, place))

    def _unserve(self, place: Place) -> None:
        self._converge(made.nothing(self.layout, [one.manifest for one in place.kept]))

    def _drain(self, manifest: Manifest, place: Place) -> None:
        """End the web process that served before once its last request has ended."""
        others = made.drained(self.layout, manifest, place)
        if changes(others, observe(self.session.host, others).seen if others else {}):
            ports = [made.port_of(one.manifest) for one in place.kept if one.id != manifest.release.id]
            self._run("wait for the last requests", remove.drain(ports))
            self._converge(others)

    def _log(self, manifest: Manifest) -> Sh:
        unit = self.layout.unit(manifest.release, "web")
        return sh("journalctl -u {unit} -n {lines} -o cat --no-pager 2>/dev/null || true", unit=unit, lines=LOG_LINES)

    def _forget(self, release_id: str, place: Place) -> Sh:
        return remove.forget(self.layout, release_id, port_of(place))
