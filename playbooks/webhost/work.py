"""What is done on the host while the contract's lock is held."""

from __future__ import annotations

from collections.abc import Mapping

from crm import crossing as crossings
from crm.driver import Progress
from crm.errors import HostError
from crm.plan import Plan, Release, Want
from crm.recipe import Ask, Http
from crm.release import template_key
from crm.steps import Records, admin_names
from playbooks.asking import Manner, candidate_log, gate_error, logged_in, question, trial
from playbooks.course import Course, Patience, still
from playbooks.hostwork import LOG_LINES, HostWork
from playbooks.kept import artifacts_of
from playbooks.leaving import drop_artifacts
from playbooks.manifest import Manifest
from playbooks.mover.memory import recall
from playbooks.planned import Survey, changed_ground
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
from playbooks.webhost.remove import drop_contract, emptied, forget, left_over, vacated
from playbooks.webhost.slots import HOST_PYTHON, values
from playbooks.webhost.survey import look, recorded, survey
from playbooks.webhost.upkeep import stale

_PAGE = Ask(Http("GET", "/"), r"^503 ")
_PAGE_PATIENCE = 15.0
_RESTART = 20
"""How often Passenger is asked, once a second, before what it still runs is ended; it looks every ten seconds."""


class WebHostWork(HostWork[Layout, Place, Survey]):
    """The work of one operation on an account, where a candidate has a spare port and only one release an address."""

    machine = "host"
    was_ready = "was ready on a spare port, and is not"
    steps_log = "log/crm/steps.log on the host"
    asking = 30.0

    def __init__(
        self,
        session: Session,
        layout: Layout,
        document_root: str | None,
        progress: Progress,
        patience: Patience,
        salt: str,
    ) -> None:
        super().__init__(session, layout, progress, patience)
        self._document_root = document_root
        self._salt = salt

    def stage(self, want: Want, plan: Plan) -> None:  # noqa: ARG002 - the survey under the lock says more than the plan
        """Bring folders, artifact, files and database to the host, beside what serves."""
        seen = self._staging(want)
        if changed_ground(seen):
            self._run("mark what must restart", stale(self.layout, seen.manifest))
        mysql = self.layout.database == "mysql"
        if seen.due.reset is not None and not mysql:
            self._run("begin with an empty database", _empty(self.layout))
        if seen.forget:
            self._run("forget what was derived", forget(self.layout, seen.release.id))
        self.fetch(want)
        if seen.due.reset is not None and mysql:
            self._run("begin with an empty database", emptied(self.layout, seen.known["python"]))
        elif seen.records.template or seen.due.reset is not None:
            self._run("begin from the template", _from_template(self.layout, self._template(want, seen.manifest)))
        self._converge([resource for resource in seen.staged.resources if resource.kind.name == "database"])
        self._converge([resource for resource in seen.staged.resources if resource.kind.name in ("venv", "archive")])

    def fetch(self, want: Want) -> None:
        """Bring folders, artifact and files to the host, beside what serves, and touch no database."""
        staged = self._known(want).staged.resources
        self._converge([resource for resource in staged if resource.kind.name != "database"])

    def ground(self, want: Want) -> None:
        """Bring the database as it is, and forget what was derived where its folder is gone.

        A copy takes the database for trials for itself, which is then empty.
        """
        seen = self._known(want)
        if seen.forget:
            self._run("forget what was derived", forget(self.layout, seen.release.id))
        self._converge([resource for resource in seen.staged.resources if resource.kind.name == "database"])
        if self.layout.copied and self.layout.database == "mysql":
            take = program("mysql", seen.known["python"], "take", self.layout.access, self._salt)
            self._run("take the database for trials", take)

    def mover(self) -> WebHostMover:
        """Return what moves the customer's data; raises HostError where the host lacks what that needs."""
        return WebHostMover(self)

    def close(self, want: Want) -> None:
        """Show customers the maintenance page in the place of what serves; raises HostError when it is not shown."""
        place = self.place()
        shown = place.find(place.serving) or next(iter(place.kept), None)
        if shown is None:
            return  # nothing was ever there
        manifest = shown.manifest
        self._converge(closed.closing(self.layout, self._salt, manifest, [one.manifest for one in place.kept]))
        if manifest.front == "process" or place.serving is not None:
            self._see_page(want, manifest, place, _PAGE_PATIENCE)

    def open(self) -> None:
        """Let customers in again, to the release that `current` names; nothing is left to do after `switch`."""
        place = self.place()
        serving = place.find(place.serving)
        kept = [one.manifest for one in place.kept]
        resources = () if serving is None else made.serving(self.layout, serving.manifest, kept)
        self._converge(closed.opening(self.layout, self._salt, resources))

    def halt(self, want: Want, kept: Release | None) -> None:
        """End every process and job of every release; then a kept one, or what is wanted, is ready for its steps."""
        manifests = [one.manifest for one in self.place().kept]
        self._converge(closed.halting(self.layout, manifests))
        self._run("wait for jobs", closed.ended(self.layout, manifests))
        super().halt(want, kept)

    def place(self) -> Place:
        """Return what lies in the contract's folder."""
        return look(self.session.host, self.layout)

    def records(self) -> Records:
        """Return what the customer's database says."""
        return recorded(self.session.host, self.layout)

    def destroy(self, *, keep_data: bool) -> None:
        """Stop and remove everything of the contract, and prove that it is gone; may be run again at any time."""
        place = self.place()
        kept = [one.manifest for one in place.kept]
        self._converge((*closed.opening(self.layout, self._salt, ()), *made.nothing(self.layout, kept)))
        if self.layout.database == "mysql" and not keep_data:
            self._run("empty the database", vacated(self.layout, HOST_PYTHON))
        releases = sh("rm -rf {releases} {runs}", releases=self.layout.releases, runs=self.layout.runs)
        self._run("remove the releases", lines(releases, drop_artifacts(self.layout, artifacts_of(place.kept))))
        self._destroyed = True
        # Asked beside the lock's own jobs: those write to the journal, which goes with the rest.
        host = self.session.host
        host.ask(drop_contract(self.layout, keep_data=keep_data), timeout=300.0)
        left = host.ask(left_over(self.layout, keep_data=keep_data)).decode("utf-8", "replace").strip()
        if left:
            raise HostError(
                f"{self.layout.contract} was removed, and this is still there: {safe(left)}", "Run destroy again."
            )

    def _asked(self, want: Want) -> Survey:
        return survey(self.session.host, self.layout, want, self._document_root, self._salt)

    def _means(self, want: Want) -> Release:
        return release_of(want, self.layout.front)

    def _known_of(self, want: Want, manifest: Manifest, place: Place) -> Mapping[str, str]:  # noqa: ARG002 - it says all
        return {**values(self.layout, want, manifest.release, manifest.artifact), "listen": manifest.listen}

    def _records_of(self, want: Want, manifest: Manifest, place: Place) -> Records:  # noqa: ARG002 - the home says all
        return recorded(self.session.host, self.layout, self._template(want, manifest))

    def _manner(self, known: Mapping[str, str], *, reached: bool = False) -> Manner:
        return logged_in(known, reached=reached)

    def _template(self, want: Want, manifest: Manifest) -> str:
        return self.layout.template(template_key(want, manifest.artifact))

    def _keep_template(self, want: Want, course: Course) -> None:
        admin = admin_names(want.recipe)
        if self.layout.database == "mysql":
            return
        if course.records.template or any(name in course.records.steps for name in admin):
            return
        template = self._template(want, course.manifest)
        script = program("records", course.known["python"], "template", self.layout.db, template, *admin)
        self._run("keep a template", script)

    def _try(self, want: Want, manifest: Manifest, place: Place) -> None:
        """Try the release on a spare loopback port."""
        known, name = self._known_of(want, manifest, place), manifest.release.id
        given = trial(want.recipe.ready, want, known, manifest.candidate, self._patience.candidate)
        answer = self._ask(f"try {name}", known["python"], given, self._patience.candidate)
        if not answer.held:
            log, who = self._tail(_end(candidate_log(known))), still(place, manifest.release)
            raise gate_error(f"the candidate {name} did not become ready", answer, want.recipe.ready, log, who)

    def _serve(self, want: Want, manifest: Manifest, place: Place) -> None:
        """Let the release serve. Where the host's own server does and customers are out, none meets another one."""
        serving = made.serving(self.layout, manifest, [one.manifest for one in place.kept])
        if manifest.front != "process" and self._customers_are_out():
            self._converge(serving)
            self._see_page(want, manifest, place, self._patience.serving)
            self._await_restart(want, manifest, place)
        self._converge(closed.opening(self.layout, self._salt, serving))

    def _await_restart(self, want: Want, manifest: Manifest, place: Place) -> None:
        """Wait until the host's Passenger runs no process of another release: such a one would meet the new data.

        One that it started beside the old ones after the link was switched shows the page as well, so the page alone
        says nothing of those. Passenger looks for a restart only when it is asked.
        """
        others = [one.manifest for one in place.kept if one.manifest.release.id != manifest.release.id]
        look = closed.outdated(self.layout, others)
        for _ in range(_RESTART):
            if self.session.run("look for processes of other releases", look, safe=True, timeout=60.0).code == 0:
                return
            self._see_page(want, manifest, place, self._patience.serving)
        self._run("end processes of other releases", closed.outdated(self.layout, others, end=True))

    def _customers_are_out(self) -> bool:
        if crossings.unfinished(self._crossing) is None:
            return False
        return recall(self.session.host, self.layout.contract, closed.places(self.layout)).closed

    def _see_page(self, want: Want, manifest: Manifest, place: Place, patience: float) -> None:
        """Wait until the page is shown at the release's address; by that release, where the host's own server does."""
        known = self._known_of(want, manifest, place)
        manner = self._manner(known)
        given = question(_PAGE, want, known, manifest.listen, patience, manner)
        answer = self._ask("ask for the maintenance page", manner.python, given, patience)
        if not answer.held:
            raise HostError(
                f"the maintenance page is not shown at {manifest.listen}: it answers {answer.text[:200]!r}",
                "Does another process listen there? crmhost logs NAME maintenance",
            )

    def _unserve(self, place: Place) -> None:
        self._converge(made.nothing(self.layout, [one.manifest for one in place.kept]))

    def _log(self, manifest: Manifest) -> Sh:  # noqa: ARG002 - all releases print to one log
        return _end(self.layout.process_log("web"))

    def _forget(self, release_id: str, place: Place) -> Sh:  # noqa: ARG002 - the layout says where the database is
        return forget(self.layout, release_id)


def _end(path: str) -> Sh:
    return sh("tail -n {lines} -- {path} 2>/dev/null || true", lines=LOG_LINES, path=path)


def _empty(layout: Layout) -> Sh:
    files = [layout.db, *(f"{layout.db}{end}" for end in ("-wal", "-shm", "-journal"))]
    return sh("rm -f {files}", files=files)


def _from_template(layout: Layout, template: str) -> Sh:
    return sh(
        """\
if [ ! -s {db} ] && [ -s {seed} ]; then
  cp {seed} {db}.new && chmod 600 {db}.new && {{ sync {db}.new 2>/dev/null || sync; }} && mv -f {db}.new {db}
fi""",
        db=layout.db,
        seed=template,
    )
