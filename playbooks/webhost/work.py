"""What is done on the host while the contract's lock is held."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm import crossing as crossings
from crm.driver import Progress
from crm.due import last_of_upgrade
from crm.errors import GateFailed, HostError
from crm.plan import Crossing, Event, Plan, Release, Want
from crm.recipe import Ask, Http, Step
from crm.release import template_key
from crm.steps import Due, Records, admin_names
from playbooks import converge
from playbooks.asking import (
    Answer,
    Manner,
    candidate_log,
    check_step,
    gate_error,
    handle_of,
    question,
    read_answer,
    step_input,
    trial,
)
from playbooks.kept import Kept, artifacts_of, follower, past
from playbooks.kind import Resource
from playbooks.manifest import Manifest
from playbooks.mover.memory import remember
from playbooks.observe import observe
from playbooks.planned import changed_ground, due_of, plan_of
from playbooks.programs import program
from playbooks.session import Session
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe
from playbooks.webhost import closed
from playbooks.webhost import resources as made
from playbooks.webhost.facts import Place
from playbooks.webhost.layout import Layout
from playbooks.webhost.mover import WebHostMover
from playbooks.webhost.release import release_of
from playbooks.webhost.remove import (
    drop_artifacts,
    drop_contract,
    drop_release,
    drop_torn,
    emptied,
    forget,
    left_over,
)
from playbooks.webhost.slots import HOST_PYTHON, values
from playbooks.webhost.survey import Survey, look, notes_of, recorded, survey

STEPS_LOG = "steps"
_LOG_LINES = 12
_PAGE = Ask(Http("GET", "/"), r"^503 ")
_PAGE_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a candidate, and then the release on its real address, have to become ready."""

    candidate: float = 90.0
    serving: float = 60.0


@dataclass(frozen=True, slots=True)
class Course:
    """The release whose steps are run: what is wanted, or a kept one; known: its slots."""

    manifest: Manifest
    known: Mapping[str, str]
    records: Records
    due: Due


class WebHostWork:
    """The work of one operation, in the order of the sequence; see `crm.driver.Work`."""

    def __init__(
        self,
        session: Session,
        layout: Layout,
        document_root: str | None,
        progress: Progress,
        patience: Patience,
        salt: str,
    ) -> None:
        self._session = session
        self._layout = layout
        self._document_root = document_root
        self._progress = progress
        self._patience = patience
        self._salt = salt
        self._survey: Survey | None = None
        self._kept: Manifest | None = None
        self._course: Course | None = None
        self._crossing: Crossing | None = None
        self._tried = False
        self._destroyed = False

    def plan(self, want: Want) -> Plan:
        """Ask the host once more, now that nobody else can change it."""
        seen = self._look(want)
        return plan_of(seen, notes_of(seen))

    def stage(self, want: Want, plan: Plan) -> None:  # noqa: ARG002 - the survey under the lock says more than the plan
        """Bring folders, artifact, files and database to the host, beside what serves."""
        seen = self._known(want)
        self._tried = bool(not seen.serves or not seen.proven or seen.due.steps or changed_ground(seen))
        self._session.say("stage")
        if changed_ground(seen):
            self._run("mark what must restart", made.stale(self._layout, seen.manifest))
        mysql = self._layout.database == "mysql"
        if seen.due.reset is not None and not mysql:
            self._run("begin with an empty database", _empty(self._layout))
        if seen.forget:
            self._run("forget what was derived", forget(self._layout, seen.release.id))
        database = [resource for resource in seen.staged.resources if resource.kind.name == "database"]
        self.fetch(want)
        if seen.due.reset is not None and mysql:
            self._run("begin with an empty database", emptied(self._layout, seen.known["python"]))
        elif seen.records.template or seen.due.reset is not None:
            self._run("begin from the template", self._from_template(want, seen))
        self._converge(database)
        self._converge([resource for resource in seen.staged.resources if resource.kind.name in ("venv", "archive")])

    def fetch(self, want: Want) -> None:
        """Bring folders, artifact and files to the host, beside what serves, and touch no database."""
        staged = self._known(want).staged.resources
        self._converge([resource for resource in staged if resource.kind.name != "database"])

    def due(self, want: Want) -> Sequence[Step]:
        """Return the steps that the database does not say are finished, in order, of the release that is at work."""
        return self._at_work(want).due.steps

    def run(self, want: Want, step: Step) -> None:
        """Run one step between its two records; raises HostError when its output is not what it should be."""
        course = self._course or self._at_work(want)
        release, steps = course.manifest.release, course.due.steps
        if step == next((one for one in steps if one.phase == "admin"), None):
            self._keep_template(want, course)
        reached = step == last_of_upgrade(want.recipe, course.records, release)
        manner = Manner(handle_of(course.known), reached=reached)
        given = step_input(step, want, release, course.known, self._layout.process_log(STEPS_LOG), manner)
        output = self._session.run(
            step.name,
            program("step", course.known["python"]),
            stdin=given,
            safe=step.again == "safe",
            timeout=step.timeout,
        )
        check_step(step, safe(output.text, 20_000))
        if step.phase == "initialise" and steps and step == steps[-1]:
            self._keep_template(want, course)

    def ready(self, want: Want, release: Release) -> None:
        """Try the release on a spare loopback port until it reaches its database; raises GateFailed.

        A release that serves already, and of which nothing but its processes changed, is not tried again.
        """
        manifest, place = self._manifest(release)
        if place.serving == release.id and self._survey is not None and not self._tried:
            return
        known = self._values(want, manifest)
        given = trial(want.recipe.ready, want, known, manifest.candidate, self._patience.candidate)
        answer = self._ask(f"try {release.id}", known["python"], given, self._patience.candidate)
        if not answer.held:
            log = self._tail(candidate_log(known))
            raise gate_error(
                f"the candidate {release.id} did not become ready",
                answer,
                want.recipe.ready,
                log,
                _still(place, release),
            )

    def switch(self, want: Want, release: Release) -> None:
        """Let the release serve and prove it on the host; otherwise go back and raise GateFailed."""
        manifest, place = self._manifest(release)
        kept = [one.manifest for one in place.kept]
        self._session.say("switch")
        try:
            self._converge(closed.opening(self._layout, self._salt, made.serving(self._layout, manifest, kept)))
            known = self._values(want, manifest)
            given = question(want.recipe.ready, want, known, manifest.listen, self._patience.serving)
            answer = self._ask(f"ask {release.id}", known["python"], given, self._patience.serving)
        except HostError as failure:
            raise GateFailed(f"{release.id} did not start: {failure.what}", self._back(want, release)) from failure
        except BaseException:
            with contextlib.suppress(HostError):
                self._back(want, release)
            raise
        if not answer.held:
            log = self._tail(self._layout.process_log("web"))
            what = f"{release.id} was ready on a spare port, and is not on {manifest.listen}"
            raise gate_error(what, answer, want.recipe.ready, log, self._back(want, release))

    def revert(self, want: Want, failed: Release) -> str:
        """Let the release that served before serve again; where there is none, nothing serves."""
        return self._back(want, failed)

    def retire(self, want: Want, release: Release) -> None:  # noqa: ARG002 - what is kept does not depend on the contract
        """Write down that the release has proven itself; remove what is past the last few, and what nobody uses."""
        _, place = self._manifest(release)
        gone = past(place.kept, place.torn, release.id)
        kept = [one for one in place.kept if one.id in gone]
        still = {one.manifest.artifact for one in place.kept if one.id not in gone}
        proven = f"{self._layout.release(release.id)}/proven"
        mark = sh("date -u +%Y-%m-%dT%H:%M:%SZ >{new} && mv -f {new} {proven}", new=f"{proven}.new", proven=proven)
        self._run(
            "retire",
            lines(
                sh("set -e"),
                mark,
                *(drop_release(self._layout, one) for one in kept),
                *(drop_torn(self._layout, name) for name in place.torn if name in gone),
                drop_artifacts(self._layout, [digest for digest in artifacts_of(kept) if digest not in still]),
            ),
        )

    def bring(self, want: Want, release: Release) -> None:  # noqa: ARG002 - the release on the host says it all
        """Let a kept release be the one whose steps run; on a host it is whole."""
        self._begin(release)

    def mover(self) -> WebHostMover | None:
        """Return what moves the customer's data; nothing moves a database that the host gave yet."""
        return None if self._layout.database == "mysql" else WebHostMover(self)

    @property
    def session(self) -> Session:
        """Return the lock, held."""
        return self._session

    @property
    def layout(self) -> Layout:
        """Return where the contract's things lie."""
        return self._layout

    def remember(self, crossing: Crossing | None) -> None:
        """Let the host remember where an upgrade is."""
        self._run("remember the upgrade", remember(closed.places(self._layout).crossing, crossing))
        self._crossing = crossing

    def close(self, want: Want) -> None:
        """Show customers the maintenance page in the place of what serves; raises HostError when it is not shown."""
        place = self.place()
        kept = [one.manifest for one in place.kept]
        shown = next((one for one in kept if one.release.id == place.serving), None) or next(iter(kept), None)
        if shown is None:
            return  # nothing was ever there
        self._converge(closed.closing(self._layout, self._salt, shown, kept))
        known = self._values(want, shown)
        given = question(_PAGE, want, known, shown.listen, _PAGE_PATIENCE)
        answer = self._ask("ask for the maintenance page", known["python"], given, _PAGE_PATIENCE)
        if not answer.held:
            raise HostError(
                f"the maintenance page is not shown at {shown.listen}: it answers {answer.text[:200]!r}",
                "Does another process listen there? crmhost logs NAME maintenance",
            )

    def open(self) -> None:
        """Let customers in again, to the release that `current` names; nothing is left to do after `switch`."""
        place = self.place()
        serving = place.find(place.serving)
        kept = [one.manifest for one in place.kept]
        resources = () if serving is None else made.serving(self._layout, serving.manifest, kept)
        self._converge(closed.opening(self._layout, self._salt, resources))

    def halt(self, want: Want, kept: Release | None) -> None:
        """End every process and job of every release; then a kept one, or what is wanted, is ready for its steps."""
        manifests = [one.manifest for one in self.place().kept]
        self._converge(closed.halting(self._layout, manifests))
        self._run("wait for jobs", closed.ended(self._layout, manifests))
        self._tried = True
        self._survey = self._course = None
        if kept is not None:
            self._begin(kept)
            return
        self._kept = None
        self.fetch(want)
        seen = self._known(want)
        if seen.forget:
            self._run("forget what was derived", forget(self._layout, seen.release.id))
        self._converge([resource for resource in seen.staged.resources if resource.kind.name == "database"])
        self._survey = None

    def place(self) -> Place:
        """Return what lies in the contract's folder."""
        return look(self._session.host, self._layout)

    def records(self, template: str = "") -> Records:
        """Return what the customer's database says, or the template while it is empty."""
        return recorded(self._session.host, self._layout, template)

    def record(self, event: Event) -> None:
        """Write a line in the journal on the host, where there still is one."""
        if not self._destroyed:
            with contextlib.suppress(HostError):
                self._session.journal(event)

    def destroy(self, *, keep_data: bool) -> None:
        """Stop and remove everything of the contract, and prove that it is gone; may be run again at any time."""
        place = look(self._session.host, self._layout)
        kept = [one.manifest for one in place.kept]
        self._converge((*closed.opening(self._layout, self._salt, ()), *made.nothing(self._layout, kept)))
        if self._layout.database == "mysql" and not keep_data:
            self._run("empty the database", emptied(self._layout, HOST_PYTHON))
        self._run("remove the releases", self._drop_releases(place))
        self._destroyed = True
        # Asked beside the lock's own jobs: those write to the journal, which goes with the rest.
        self._session.host.ask(drop_contract(self._layout, keep_data=keep_data), timeout=300.0)
        left = self._session.host.ask(left_over(self._layout, keep_data=keep_data)).decode("utf-8", "replace").strip()
        if left:
            raise HostError(
                f"{self._layout.contract} was removed, and this is still there: {safe(left)}", "Run destroy again."
            )

    def _look(self, want: Want) -> Survey:
        found = survey(self._session.host, self._layout, want, self._document_root, self._salt)
        self._survey, self._crossing = found, found.crossing
        return found

    def _known(self, want: Want) -> Survey:
        return self._survey or self._look(want)

    def _begin(self, release: Release) -> None:
        """Let a kept release be the one at work, as the host keeps it, whatever its contract says today."""
        self._kept, self._course = self._manifest(release)[0], None

    def _at_work(self, want: Want) -> Course:
        """Ask the database what is due for the release at work."""
        if self._kept is None or self._kept.release == release_of(want, self._layout.front):
            seen = self._look(want)
            manifest, known, records = seen.manifest, seen.known, seen.records
        else:
            manifest, known = self._kept, self._values(want, self._kept)
            records = self.records(self._layout.template(template_key(want, manifest.artifact)))
        self._course = Course(manifest, known, records, due_of(want, manifest.release, records))
        return self._course

    def _manifest(self, release: Release) -> tuple[Manifest, Place]:
        """Return how a release on the host is started, by what it says of itself there."""
        place = look(self._session.host, self._layout)
        kept = place.find(release.id)
        if kept is None:
            raise HostError(f"the host has no release {release.id}", "deploy it first")
        return kept.manifest, place

    def _values(self, want: Want, manifest: Manifest) -> Mapping[str, str]:
        return {**values(self._layout, want, manifest.release, manifest.artifact), "listen": manifest.listen}

    def _back(self, want: Want, failed: Release) -> str:
        if crossings.unfinished(self._crossing) is not None:
            self.close(want)
            return "The maintenance page is shown."
        place = look(self._session.host, self._layout)
        now = place.find(failed.id)
        if now is not None and now.proven and self._survey is not None and self._survey.serves:
            return f"{failed.id} is the release that served before, so there is nothing to go back to: it goes on"
        before = follower(place.kept, failed)
        kept = [one.manifest for one in place.kept]
        if before is None:
            self._converge(made.nothing(self._layout, kept))
            return "There was no release before it, so nothing serves. Mend the cause and deploy again."
        self._converge(closed.opening(self._layout, self._salt, made.serving(self._layout, before.manifest, kept)))
        return f"{before.id} serves again{self._unless_ready(want, before)}"

    def _unless_ready(self, want: Want, before: Kept) -> str:
        manifest = before.manifest
        known = self._values(want, manifest)
        given = question(want.recipe.ready, want, known, manifest.listen, self._patience.serving)
        answer = self._ask(f"ask {before.id}", known["python"], given, self._patience.serving)
        return "." if answer.held else f", but answers {answer.text[:200]!r}: look at it at once (crmhost logs)."

    def _ask(self, name: str, python: str, given: bytes, patience: float) -> Answer:
        output = self._session.run(name, program("ask", python), stdin=given, safe=True, timeout=patience + 60)
        answer = read_answer(output.text)
        return Answer(answer.held, safe(answer.text), answer.seconds, answer.died)

    def _converge(self, resources: Sequence[Resource]) -> None:
        seen = observe(self._session.host, resources).seen
        converge.apply(self._session, resources, seen, self._progress)

    def _run(self, name: str, script: Sh) -> None:
        output = self._session.run(name, script, safe=True)
        if output.code != 0:
            raise HostError(f"{name}: exit {output.code}: {safe(output.text.strip())}", "mend it and try again")

    def _tail(self, path: str) -> str:
        script = sh("tail -n {lines} -- {path} 2>/dev/null || true", lines=_LOG_LINES, path=path)
        return safe(self._session.host.ask(script).decode("utf-8", "replace"))

    def _keep_template(self, want: Want, course: Course) -> None:
        """Copy the initialised database, unless a step was ever begun that may have put a secret into it."""
        template = self._layout.template(template_key(want, course.manifest.artifact))
        admin = admin_names(want.recipe)
        if self._layout.database == "mysql":
            return
        if course.records.template or any(name in course.records.steps for name in admin):
            return
        script = program("records", course.known["python"], "template", self._layout.db, template, *admin)
        self._run("keep a template", script)

    def _from_template(self, want: Want, seen: Survey) -> Sh:
        template = self._layout.template(template_key(want, seen.manifest.artifact))
        return sh(
            """\
if [ ! -s {db} ] && [ -s {seed} ]; then
  cp {seed} {db}.new && chmod 600 {db}.new && {{ sync {db}.new 2>/dev/null || sync; }} && mv -f {db}.new {db}
fi""",
            db=self._layout.db,
            seed=template,
        )

    def _drop_releases(self, place: Place) -> Sh:
        return lines(
            sh("rm -rf {releases} {runs}", releases=self._layout.releases, runs=self._layout.runs),
            drop_artifacts(self._layout, artifacts_of(place.kept)),
        )


def _empty(layout: Layout) -> Sh:
    files = [layout.db, *(f"{layout.db}{end}" for end in ("-wal", "-shm", "-journal"))]
    return sh("rm -f {files}", files=files)


def _still(place: Place, release: Release) -> str:
    if place.serving is None:
        return "Nothing served before, and nothing serves now; the candidate is kept for inspection."
    if place.serving == release.id:
        return f"{release.id} goes on with the processes that were started before."
    return f"{place.serving} still serves; the candidate is kept for inspection."
