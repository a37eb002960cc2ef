"""What is done on a host over SSH while the contract's lock is held, as far as it is the same on every host."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

from crm import crossing as crossings
from crm.driver import Progress
from crm.due import last_of_upgrade
from crm.errors import GateFailed, HostError
from crm.plan import Crossing, Event, Plan, Release, Want
from crm.recipe import Step
from crm.steps import Records
from playbooks import converge
from playbooks.asking import Answer, Manner, check_step, gate_error, question, read_answer, step_input
from playbooks.course import STEPS, Course, Patience
from playbooks.folders import Folders
from playbooks.kept import Place, follower
from playbooks.kind import Resource
from playbooks.leaving import retired
from playbooks.manifest import Manifest
from playbooks.mover.memory import remember
from playbooks.observe import observe
from playbooks.planned import Survey, changed_ground, due_of, plan_of
from playbooks.programs import program
from playbooks.session import Output, Session
from playbooks.shell import Sh, sh
from playbooks.terminal import safe

L = TypeVar("L", bound=Folders)
P = TypeVar("P", bound=Place)
S = TypeVar("S", bound=Survey)
LOG_LINES = 12
"""How many lines of a log an error shows."""


class HostWork(ABC, Generic[L, P, S]):
    """The work of one operation, in the order of the sequence; see `crm.driver.Work`.

    machine: what errors call the host; was_ready: what a candidate had shown that does not serve then; steps_log: where
    people find what a step printed; asking: seconds that one look at the host may take.
    """

    machine: ClassVar[str]
    was_ready: ClassVar[str]
    steps_log: ClassVar[str]
    asking: ClassVar[float]

    def __init__(self, session: Session, layout: L, progress: Progress, patience: Patience) -> None:
        self.session = session
        self.layout = layout
        self._progress = progress
        self._patience = patience
        self._survey: S | None = None
        self._kept: Manifest | None = None
        self._course: Course | None = None
        self._crossing: Crossing | None = None
        self._tried = False
        self._destroyed = False

    def plan(self, want: Want) -> Plan:
        """Ask the host once more, now that nobody else can change it."""
        return plan_of(self._look(want))

    def due(self, want: Want) -> Sequence[Step]:
        """Return the steps that the database does not say are finished, in order, of the release that is at work."""
        return self._at_work(want).due.steps

    def run(self, want: Want, step: Step) -> None:
        """Run one step between its two records; raises HostError when its output is not what it should be."""
        course = self._course or self._at_work(want)
        release, steps = course.manifest.release, course.due.steps
        if step == next((one for one in steps if one.phase == "admin"), None):
            self._keep_template(want, course)
        log = self.layout.process_log(STEPS)
        manner = self._manner(course.known, reached=step == last_of_upgrade(want.recipe, course.records, release))
        output = self.session.run(
            step.name,
            program("step", manner.python),
            stdin=step_input(step, want, release, course.known, log, manner),
            safe=step.again == "safe",
            timeout=step.timeout,
        )
        check_step(step, safe(self._said(output), 20_000), self.steps_log.format(log=log))
        if step.phase == "initialise" and steps and step == steps[-1]:
            self._keep_template(want, course)

    def ready(self, want: Want, release: Release) -> None:
        """Try the release beside what serves until it reaches its database; raises GateFailed.

        A release that serves already, and of which nothing but its processes changed, is not tried again.
        """
        manifest, place = self._manifest(release)
        if place.serving != release.id or self._survey is None or self._tried:
            self._try(want, manifest, place)

    def switch(self, want: Want, release: Release) -> None:
        """Let the release serve and prove it on the host; otherwise go back and raise GateFailed."""
        manifest, place = self._manifest(release)
        self.session.say("switch")
        try:
            self._serve(want, manifest, place)
            answer = self._answer(want, manifest, place, self._patience.serving)
        except HostError as failure:
            raise GateFailed(f"{release.id} did not start: {failure.what}", self.revert(want, release)) from failure
        except BaseException:
            with contextlib.suppress(HostError):
                self.revert(want, release)
            raise
        if not answer.held:
            log = self._tail(self._log(manifest))
            what = f"{release.id} {self.was_ready} on {manifest.listen}"
            raise gate_error(what, answer, want.recipe.ready, log, self.revert(want, release))

    def revert(self, want: Want, failed: Release) -> str:
        """Let the release that served before serve again; where there is none, nothing serves."""
        if crossings.unfinished(self._crossing) is not None:
            self.close(want)
            return "The maintenance page is shown."
        place = self.place()
        now = place.find(failed.id)
        if now is not None and now.proven and self._survey is not None and self._survey.serves:
            return f"{failed.id} is the release that served before, so there is nothing to go back to: it goes on"
        before = follower(place.kept, failed)
        if before is None:
            self._unserve(place)
            return "There was no release before it, so nothing serves. Mend the cause and deploy again."
        self._resume(want, before.manifest, place)
        answer = self._answer(want, before.manifest, place, self._patience.serving)
        if answer.held:
            return f"{before.id} serves again."
        return f"{before.id} serves again, but answers {answer.text[:200]!r}: look at it at once (crmhost logs)."

    def retire(self, want: Want, release: Release) -> None:  # noqa: ARG002 - what is kept does not depend on the contract
        """Write down that the release has proven itself; remove what is past the last few, and what nobody uses."""
        manifest, place = self._manifest(release)
        self._drain(manifest, place)
        self._run("retire", retired(self.layout, place, release.id, lambda name: self._forget(name, place)))

    def bring(self, want: Want, release: Release) -> None:  # noqa: ARG002 - the release on the host says it all
        """Let a kept release be the one at work, as the host keeps it, whatever its contract says today."""
        self._kept, self._course = self._manifest(release)[0], None

    def record(self, event: Event) -> None:
        """Write a line in the journal on the host, where there still is one."""
        if not self._destroyed:
            with contextlib.suppress(HostError):
                self.session.journal(event)

    def remember(self, crossing: Crossing | None) -> None:
        """Let the host remember where an upgrade is."""
        self._run("remember the upgrade", remember(self.layout.crossing, crossing))
        self._crossing = crossing

    def halt(self, want: Want, kept: Release | None) -> None:
        """Let a kept release, or what is wanted, be ready for its steps, now that no process of any release runs."""
        self._tried, self._survey, self._course = True, None, None
        if kept is not None:
            self.bring(want, kept)
            return
        self._kept = None
        self.fetch(want)
        self.ground(want)
        self._survey = None

    @abstractmethod
    def fetch(self, want: Want) -> None:
        """Bring everything but the database to the host, beside what serves."""

    @abstractmethod
    def ground(self, want: Want) -> None:
        """Bring the database, once everything else is there."""

    @abstractmethod
    def close(self, want: Want) -> None:
        """Show customers the maintenance page; where nothing was ever there, nothing is shown."""

    @abstractmethod
    def place(self) -> P:
        """Return what lies in the contract's folder, whatever the contract says today."""

    @abstractmethod
    def _asked(self, want: Want) -> S:
        """Ask the host about everything that is wanted there."""

    @abstractmethod
    def _means(self, want: Want) -> Release:
        """Return the release that the contract asks for."""

    @abstractmethod
    def _known_of(self, want: Want, manifest: Manifest, place: P) -> Mapping[str, str]:
        """Return the slots of a release."""

    @abstractmethod
    def _records_of(self, want: Want, manifest: Manifest, place: P) -> Records:
        """Return what the customer's database says, or the template that the release would begin with."""

    @abstractmethod
    def _manner(self, known: Mapping[str, str], *, reached: bool = False) -> Manner:
        """Return how the host runs what the recipe says."""

    @abstractmethod
    def _keep_template(self, want: Want, course: Course) -> None:
        """Keep the initialised database, unless a step was ever begun that may have put a secret into it."""

    @abstractmethod
    def _try(self, want: Want, manifest: Manifest, place: P) -> None:
        """Start a candidate and wait until it is ready; raises GateFailed."""

    @abstractmethod
    def _serve(self, want: Want, manifest: Manifest, place: P) -> None:
        """Let the release serve."""

    @abstractmethod
    def _unserve(self, place: P) -> None:
        """Let nothing serve."""

    @abstractmethod
    def _log(self, manifest: Manifest) -> Sh:
        """Return the script that prints the end of what the web process printed."""

    @abstractmethod
    def _forget(self, release_id: str, place: P) -> Sh:
        """Return the script that forgets what was derived for a release."""

    def _resume(self, want: Want, manifest: Manifest, place: P) -> None:
        """Let a release serve again, and nothing beside it."""
        self._serve(want, manifest, place)

    def _drain(self, manifest: Manifest, place: P) -> None:
        """End what served before, where it did not end when the release took over."""

    def _look(self, want: Want) -> S:
        found = self._asked(want)
        self._survey, self._crossing = found, found.crossing
        return found

    def _known(self, want: Want) -> S:
        return self._survey or self._look(want)

    def _staging(self, want: Want) -> S:
        """Say that the release is brought now, and return what was seen under the lock."""
        seen = self._known(want)
        self._tried = bool(not seen.serves or not seen.proven or seen.due.steps or changed_ground(seen))
        self.session.say("stage")
        return seen

    def _at_work(self, want: Want) -> Course:
        """Ask the database what is due for the release at work."""
        if self._kept is None or self._kept.release == self._means(want):
            seen = self._look(want)
            manifest, known, records = seen.manifest, seen.known, seen.records
        else:
            manifest, place = self._kept, self.place()
            known, records = self._known_of(want, manifest, place), self._records_of(want, manifest, place)
        due = due_of(want, manifest.release, records)  # also when a backup has just been put back
        self._course = Course(manifest, known, records, due)
        return self._course

    def _manifest(self, release: Release) -> tuple[Manifest, P]:
        """Return how a release on the host is started, by what it says of itself there."""
        place = self.place()
        kept = place.find(release.id)
        if kept is None:
            raise HostError(f"the {self.machine} has no release {release.id}", "deploy it first")
        return kept.manifest, place

    def _answer(self, want: Want, manifest: Manifest, place: P, patience: float) -> Answer:
        known = self._known_of(want, manifest, place)
        manner = self._manner(known)
        given = question(want.recipe.ready, want, known, manifest.listen, patience, manner)
        return self._ask(f"ask {manifest.release.id}", manner.python, given, patience)

    def _ask(self, name: str, python: str, given: bytes, patience: float) -> Answer:
        output = self.session.run(name, program("ask", python), stdin=given, safe=True, timeout=patience + 60)
        answer = read_answer(self._said(output))
        return replace(answer, text=safe(answer.text))

    def _said(self, output: Output) -> str:
        """Return what a program printed; where there is nothing, raises HostError if the disk has no room for it."""
        if not output.text.strip():
            room = sh("head -c 65536 /dev/zero >{probe} && rm -f {probe}", probe=f"{self.session.staging}/room")
            try:
                self.session.host.ask(room)
            except HostError as full:
                raise HostError(full.what, full.remedy or "Make room there, and run the same command again.") from full
        return output.text

    def _converge(self, resources: Sequence[Resource]) -> None:
        if resources:
            seen = observe(self.session.host, resources, timeout=self.asking).seen
            converge.apply(self.session, resources, seen, self._progress)

    def _run(self, name: str, script: Sh, timeout: float = 600.0) -> None:
        output = self.session.run(name, script, safe=True, timeout=timeout)
        if output.code != 0:
            raise HostError(f"{name}: exit {output.code}: {safe(self._said(output).strip())}", "mend it and try again")

    def _tail(self, script: Sh) -> str:
        return safe(self.session.host.ask(script).decode("utf-8", "replace"))
