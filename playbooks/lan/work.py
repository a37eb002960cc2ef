"""What is done on a server while the contract's lock is held."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm import crossing as crossings
from crm.driver import Progress
from crm.due import last_of_upgrade
from crm.errors import GateFailed, HostError
from crm.plan import Crossing, Event, Plan, Release, Want
from crm.recipe import Step
from crm.steps import Due, Records
from playbooks import converge
from playbooks.asking import Answer, check_step, gate_error, question, read_answer, step_input
from playbooks.converge import changes
from playbooks.kept import artifacts_of, follower, past
from playbooks.kind import Resource
from playbooks.kinds.firewall import FirewallKind
from playbooks.kinds.unit import UnitKind
from playbooks.lan import remove, templates
from playbooks.lan import resources as made
from playbooks.lan.facts import Place
from playbooks.lan.firewall import together
from playbooks.lan.layout import Layout
from playbooks.lan.mover import LanMover
from playbooks.lan.release import release_of
from playbooks.lan.resources import Site
from playbooks.lan.server import FIREWALL, JOURNAL, Setup
from playbooks.lan.slots import values
from playbooks.lan.survey import Survey, look, manner, notes_of, port_of, recorded, survey
from playbooks.manifest import Manifest
from playbooks.mover.memory import remember
from playbooks.observe import observe
from playbooks.planned import changed_ground, due_of, plan_of
from playbooks.programs import program
from playbooks.session import Session
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe

STEPS_LOG = "steps"
PYTHON = "/usr/bin/python3"
"""What runs crmhost's own programs, as root: the distribution's, which no customer's release can change."""
_LOG_LINES = 12
_DATABASE = frozenset({"role", "pgdatabase"})


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a candidate, and then the release behind nginx, have to become ready."""

    candidate: float = 90.0
    serving: float = 60.0


@dataclass(frozen=True, slots=True)
class Course:
    """The release whose steps are run: what is wanted, or a kept one; known: its slots."""

    manifest: Manifest
    known: Mapping[str, str]
    records: Records
    due: Due
    template: tuple[str, bool] | None = None


class LanWork:
    """The work of one operation, in the order of the sequence; see `crm.driver.Work`."""

    def __init__(
        self, session: Session, layout: Layout, setup: Setup, progress: Progress, patience: Patience, salt: str
    ) -> None:
        self._session = session
        self._layout = layout
        self._setup = setup
        self._progress = progress
        self._patience = patience
        self._salt = salt
        self._survey: Survey | None = None
        self._kept: Manifest | None = None
        self._course: Course | None = None
        self._crossing: Crossing | None = None
        self._tried = False
        self._destroyed = False

    @property
    def session(self) -> Session:
        """Return the lock, held."""
        return self._session

    @property
    def layout(self) -> Layout:
        """Return where the contract's things lie."""
        return self._layout

    def plan(self, want: Want) -> Plan:
        """Ask the server once more, now that nobody else can change it."""
        seen = self._look(want)
        return plan_of(seen, notes_of(seen))

    def stage(self, want: Want, plan: Plan) -> None:  # noqa: ARG002 - the survey under the lock says more than the plan
        """Bring packages, account, folders, files, artifact and database to the server, beside what serves."""
        seen = self._known(want)
        self._tried = bool(not seen.serves or not seen.proven or seen.due.steps or changed_ground(seen))
        self._session.say("stage")
        if changed_ground(seen):
            self._run("mark what must restart", remove.stale(made.unit_names(self._layout, seen.manifest)))
        self.fetch(want)
        self.ground(want)

    def fetch(self, want: Want) -> None:
        """Bring everything but the database to the server, beside what serves."""
        seen = self._known(want)
        ground = [one for one in seen.staged.resources if one.kind.name not in _DATABASE]
        journal = {change.resource for change in changes(ground, seen.seen)} & {f"file:{JOURNAL}"}
        self._converge(ground)
        if journal:
            self._run("limit the journal", sh("systemctl restart systemd-journald"))

    def ground(self, want: Want) -> None:
        """Bring the database: as it is, empty, or as the template of an initialised one."""
        seen = self._known(want)
        if seen.due.reset is not None:
            self._run("begin with an empty database", templates.empty(self._layout))
        if seen.forget:
            self._run("forget what was derived", remove.forget(self._layout, seen.release.id, seen.known["dbport"]))
        self._converge([one for one in seen.staged.resources if one.kind.name in _DATABASE])
        if seen.records.template or seen.due.reset is not None:
            name, port = seen.template[0], port_of(self.place())
            self._run("begin from the template", templates.begin(self._layout, name, port), timeout=1800.0)

    def due(self, want: Want) -> Sequence[Step]:
        """Return the steps that the database does not say are finished, in order, of the release that is at work."""
        return self._at_work(want).due.steps

    def run(self, want: Want, step: Step) -> None:
        """Run one step between its two records; raises HostError when its output is not what it should be."""
        course = self._course or self._at_work(want)
        release, steps = course.manifest.release, course.due.steps
        if step == next((one for one in steps if one.phase == "admin"), None):
            self._keep_template(want, course)
        log = self._layout.process_log(STEPS_LOG)
        how = manner(self._layout, course.known, reached=step == last_of_upgrade(want.recipe, course.records, release))
        output = self._session.run(
            step.name,
            program("step", PYTHON),
            stdin=step_input(step, want, release, course.known, log, how),
            safe=step.again == "safe",
            timeout=step.timeout,
        )
        check_step(step, safe(output.text, 20_000), f"{log} on the server")
        if step.phase == "initialise" and steps and step == steps[-1]:
            self._keep_template(want, course)

    def ready(self, want: Want, release: Release) -> None:
        """Start the release's web process beside what serves and wait until it reaches its database.

        Raises GateFailed. A release that serves already, and of which nothing but its processes changed, is not tried.
        """
        manifest, place = self._manifest(release)
        if place.serving == release.id and self._survey is not None and not self._tried:
            return
        unit = self._layout.unit(release, "web")
        what = f"the candidate {release.id} did not become ready"
        try:
            self._converge([made.web(self._layout, manifest, place, boot=None)])
        except HostError as failure:
            self._end_candidate(place, manifest)
            raise GateFailed(f"{what}: {failure.what}", _still(place, release)) from failure
        answer = self._answer(want, manifest, place, self._patience.candidate)
        if not answer.held:
            log = self._tail(unit)
            self._end_candidate(place, manifest)
            raise gate_error(what, answer, want.recipe.ready, log, _still(place, release))

    def switch(self, want: Want, release: Release) -> None:
        """Let the release serve and prove it on the server; otherwise go back and raise GateFailed."""
        manifest, place = self._manifest(release)
        self._session.say("switch")
        try:
            self._serve(manifest, place, want)
            answer = self._answer(want, manifest, place, self._patience.serving)
        except HostError as failure:
            raise GateFailed(f"{release.id} did not start: {failure.what}", self._back(want, release)) from failure
        except BaseException:
            with contextlib.suppress(HostError):
                self._back(want, release)
            raise
        if not answer.held:
            log = self._tail(self._layout.unit(release, "web"))
            what = f"{release.id} was ready, and is not any more on {manifest.listen}"
            raise gate_error(what, answer, want.recipe.ready, log, self._back(want, release))

    def revert(self, want: Want, failed: Release) -> str:
        """Let the release that served before serve again; where there is none, nothing serves."""
        return self._back(want, failed)

    def retire(self, want: Want, release: Release) -> None:  # noqa: ARG002 - what is kept does not depend on the contract
        """End the web process that served before once its last request has ended, and remove what nobody uses."""
        manifest, place = self._manifest(release)
        others = made.drained(self._layout, manifest, place)
        if changes(others, observe(self._session.host, others).seen if others else {}):
            self._run("wait for the last requests", remove.drain())
            self._converge(others)
        gone = past(place.kept, place.torn, release.id)
        kept = [one for one in place.kept if one.id in gone]
        still = {one.manifest.artifact for one in place.kept if one.id not in gone}
        proven, port = self._layout.proven(release.id), port_of(place)
        mark = sh("date -u +%Y-%m-%dT%H:%M:%SZ >{new} && mv -f {new} {proven}", new=f"{proven}.new", proven=proven)
        self._run(
            "retire",
            lines(
                sh("set -e"),
                mark,
                *(remove.drop_release(self._layout, one, port) for one in kept),
                *(remove.drop_torn(self._layout, name) for name in place.torn if name in gone),
                remove.drop_artifacts(self._layout, [one for one in artifacts_of(kept) if one not in still]),
            ),
        )

    def bring(self, want: Want, release: Release) -> None:  # noqa: ARG002 - the release on the server says it all
        """Let a kept release be the one whose steps run; on a server it is whole."""
        self._begin(release)

    def mover(self) -> LanMover:
        """Return what moves the customer's data."""
        return LanMover(self)

    def record(self, event: Event) -> None:
        """Write a line in the journal on the server, where there still is one."""
        if not self._destroyed:
            with contextlib.suppress(HostError):
                self._session.journal(event)

    def destroy(self, *, keep_data: bool) -> None:
        """Stop and remove everything of the contract, and prove that it is gone; may be run again at any time."""
        place = self.place()
        self._converge(made.nothing(self._layout, [one.manifest for one in place.kept]))
        self._run("end what is left", remove.end_units(self._layout))
        self._converge(made.account_gone(self._layout, keep_data=keep_data))
        if together(place.firewalls.values()) is None:  # else the next deploy of whoever asks for one narrows it
            self._converge([Resource(FirewallKind(), FIREWALL, None)])
        self._run("remove the artifacts", self._drop_releases(place))
        self._destroyed = True
        # Asked beside the lock's own jobs: those write to the journal, which goes with the rest.
        host = self._session.host
        host.ask(remove.drop_folders(self._layout, keep_data=keep_data), timeout=300.0)
        host.ask(remove.drop_engine(self._layout))
        left = host.ask(remove.left_over(self._layout, keep_data=keep_data)).decode("utf-8", "replace").strip()
        gone = made.account_gone(self._layout, keep_data=keep_data)
        left += "".join(f"\n{change.resource}" for change in changes(gone, observe(host, gone).seen if gone else {}))
        if left:
            raise HostError(
                f"{self._layout.contract} was removed, and this is still there: {safe(left)}", "Run destroy again."
            )

    def place(self) -> Place:
        """Return what lies in the contract's folder, and what the server is."""
        return look(self._session.host, self._layout)[0]

    def records(self) -> Records:
        """Return what the customer's database says."""
        return recorded(self._session.host, self._layout, port_of(self.place()))

    def remember(self, crossing: Crossing | None) -> None:
        """Let the server remember where an upgrade is."""
        self._run("remember the upgrade", remember(self._layout.crossing, crossing))
        self._crossing = crossing

    def close(self, want: Want) -> None:
        """Show customers the maintenance page; where nothing was ever there, nothing is shown."""
        place = self.place()
        shown = place.find(place.serving) or next(iter(place.kept), None)
        if shown is None:
            return
        self._run("remember that it is closed", sh(": >{closed}", closed=self._layout.closed))
        self._converge([made.front(self._layout, shown.manifest, self._site(want), closed=True)])

    def open(self, want: Want) -> None:
        """Let customers in again, where `switch` has not done so."""
        place = self.place()
        serving = place.find(place.serving)
        self._run("remember that it is open", sh("rm -f {closed}", closed=self._layout.closed))
        if serving is not None:
            self._converge([made.front(self._layout, serving.manifest, self._site(want), closed=False)])

    def halt(self, want: Want, kept: Release | None) -> None:
        """End every process of every release; then a kept release, or what is wanted, is ready for its steps."""
        self._converge(made.ended(self._layout, [one.manifest for one in self.place().kept]))
        self._tried, self._survey, self._course = True, None, None
        if kept is not None:
            self._begin(kept)
            return
        self._kept = None
        self.fetch(want)
        self.ground(want)
        self._survey = None

    def _look(self, want: Want) -> Survey:
        found = survey(self._session.host, self._layout, want, self._setup, self._salt)
        self._survey, self._crossing = found, found.crossing
        return found

    def _known(self, want: Want) -> Survey:
        return self._survey or self._look(want)

    def _begin(self, release: Release) -> None:
        """Let a kept release be the one at work, as the server keeps it, whatever its contract says today."""
        self._kept, self._course = self._manifest(release)[0], None

    def _at_work(self, want: Want) -> Course:
        """Ask the database what is due for the release at work."""
        if self._kept is None or self._kept.release == release_of(want):
            seen = self._look(want)
            due = due_of(want, seen.release, seen.records)  # also when a backup has just been put back
            self._course = Course(seen.manifest, seen.known, seen.records, due, seen.template)
        else:
            records = self.records()
            due = due_of(want, self._kept.release, records)
            self._course = Course(self._kept, self._values(want, self._kept, self.place()), records, due)
        return self._course

    def _manifest(self, release: Release) -> tuple[Manifest, Place]:
        """Return how a release on the server is started, by what it says of itself there."""
        place = self.place()
        kept = place.find(release.id)
        if kept is None:
            raise HostError(f"the server has no release {release.id}", "deploy it first")
        return kept.manifest, place

    def _values(self, want: Want, manifest: Manifest, place: Place) -> Mapping[str, str]:
        port = port_of(place)
        return values(self._layout, want, manifest.release, manifest.artifact, manifest.listen, port)

    def _site(self, want: Want) -> Site:
        return Site(want.slots["url"], self._setup.certificate)

    def _serve(self, manifest: Manifest, place: Place, want: Want) -> None:
        self._session.host.ask(sh("rm -f {closed}", closed=self._layout.closed))
        self._converge(made.serving(self._layout, manifest, place, self._site(want)))

    def _back(self, want: Want, failed: Release) -> str:
        if crossings.unfinished(self._crossing) is not None:
            self.close(want)
            return "The maintenance page is shown."
        place = self.place()
        now = place.find(failed.id)
        if now is not None and now.proven and self._survey is not None and self._survey.serves:
            return f"{failed.id} is the release that served before, so there is nothing to go back to: it goes on"
        before = follower(place.kept, failed)
        if before is None:
            self._converge(made.nothing(self._layout, [one.manifest for one in place.kept]))
            return "There was no release before it, so nothing serves. Mend the cause and deploy again."
        self._serve(before.manifest, place, want)
        self._converge(made.drained(self._layout, before.manifest, place))
        answer = self._answer(want, before.manifest, place, self._patience.serving)
        if answer.held:
            return f"{before.id} serves again."
        return f"{before.id} serves again, but answers {answer.text[:200]!r}: look at it at once (crmhost logs)."

    def _end_candidate(self, place: Place, manifest: Manifest) -> None:
        """End a candidate that failed, unless it is what serves; its files are kept for inspection."""
        if place.serving != manifest.release.id:
            self._converge([Resource(UnitKind(), self._layout.unit(manifest.release, "web"), None)])

    def _answer(self, want: Want, manifest: Manifest, place: Place, patience: float) -> Answer:
        known = self._values(want, manifest, place)
        given = question(want.recipe.ready, want, known, manifest.listen, patience, manner(self._layout, known))
        name = f"ask {manifest.release.id}"
        output = self._session.run(name, program("ask", PYTHON), stdin=given, safe=True, timeout=patience + 60)
        answer = read_answer(output.text)
        return Answer(answer.held, safe(answer.text), answer.seconds, answer.died)

    def _converge(self, resources: Sequence[Resource]) -> None:
        if resources:
            seen = observe(self._session.host, resources, timeout=60.0).seen
            converge.apply(self._session, resources, seen, self._progress)

    def _run(self, name: str, script: Sh, timeout: float = 600.0) -> None:
        output = self._session.run(name, script, safe=True, timeout=timeout)
        if output.code != 0:
            raise HostError(f"{name}: exit {output.code}: {safe(output.text.strip())}", "mend it and try again")

    def _tail(self, unit: str) -> str:
        script = sh(
            "journalctl -u {unit} -n {lines} -o cat --no-pager 2>/dev/null || true", unit=unit, lines=_LOG_LINES
        )
        return safe(self._session.host.ask(script).decode("utf-8", "replace"))

    def _keep_template(self, want: Want, course: Course) -> None:
        """Keep the initialised database, unless a step was ever begun that may have put a secret into it."""
        if course.template is None or course.template[1]:
            return
        if not templates.may_keep(want.recipe, self.records()):
            return
        port = course.known["dbport"]
        self._run("keep a template", templates.keep(self._layout, course.template[0], port), timeout=1800.0)

    def _drop_releases(self, place: Place) -> Sh:
        return lines(
            sh("rm -rf {releases}", releases=self._layout.releases),
            remove.drop_artifacts(self._layout, artifacts_of(place.kept)),
        )


def _still(place: Place, release: Release) -> str:
    if place.serving is None:
        return "Nothing served before, and nothing serves now; the candidate is kept for inspection."
    if place.serving == release.id:
        return f"{release.id} goes on with the processes that were started before."
    return f"{place.serving} still serves; the candidate is kept for inspection."
