"""What is done on a Docker host while the contract's lock is held; see `crm.driver.Work`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from crm.errors import GateFailed, HostError
from crm.plan import Event, Plan, Release, Want
from crm.recipe import Exec, Slotted, Step
from infra import foreign, hoststack, moves, records, sites, steprun, templates
from infra.asking import LONGEST, Site, ran
from infra.cloudmover import CloudMover
from infra.drift import Connect, Disconnect, Mend, Remove, Unpause
from infra.engine.engine import Engine
from infra.engine.lock import Held
from infra.plan import Survey, plan_of
from infra.ready import Patience, ready
from infra.remove import remove_everything
from infra.rollout import Placed
from infra.stand import Stand
from infra.survey import Cloud, due, survey


class CloudWork:
    """The work of one operation, in the order of the sequence.

    host: the host name in the customer's URL. gone: the contract was removed, so nothing of it is to be written to.
    """

    def __init__(self, cloud: Cloud, host: str, held: Held, patience: Patience) -> None:
        self._cloud = cloud
        self._host = host
        self._held = held
        self._patience = patience
        self._stand = Stand(cloud, held)
        self._survey: Survey | None = None
        self.gone = False

    def plan(self, want: Want) -> Plan:
        """Ask the host once more, now that nobody else can change it."""
        self._survey = survey(self._cloud, want)
        foreign.refuse(want.contract, self._survey.foreign, self._cloud.engine.reach)
        return plan_of(self._survey)

    def stage(self, want: Want, plan: Plan) -> None:  # noqa: ARG002 -- the survey under the lock says more than the plan
        """Bring host stack, image, services and files to the host, beside what serves; mend what Pulumi cannot see."""
        seen, cloud = self._known(want), self._cloud
        hoststack.ensure(cloud.engine, cloud.settings, cloud.host_access, cloud.progress, cloud.who)
        for mend in seen.drift.mends:
            _mend(self._cloud.engine, mend)
        placed = self._stand.placed(want)
        waiting = seen.due is None or bool(seen.due.steps)
        refresh = self._cloud.refresh or seen.drift.refresh
        if self._serves(placed.release) and not seen.has_files:  # what steps had derived is gone: processes wait for it
            rollout = self._stand.halted(want, placed)
        else:
            rollout = self._stand.beside(want, placed, waiting=waiting)
        self._stand.up(rollout, refresh=refresh)
        self._stand.await_database()
        self._begin(want, seen)
        if waiting and want.recipe.folders:
            self._make_folders(want, placed)

    def bring(self, want: Want, release: Release) -> None:
        """Bring back the image and the files of a kept release, beside what serves."""
        placed = self._stand.placed(want, release)
        records.forget_release(self._cloud.engine, self._cloud.contract, release.id)
        self._stand.up(self._stand.beside(want, placed, waiting=True))

    def due(self, want: Want) -> Sequence[Step]:
        """Return the steps that the database does not say are finished, in order, of the release that was staged."""
        engine, release = self._cloud.engine, self._staged(want).release
        steprun.settle(engine, want, release)
        found = due(want, records.read(engine, self._cloud.contract), release)
        return () if found is None else found.steps

    def run(self, want: Want, step: Step) -> None:
        """Run one step between its two records; raises HostError when its output is not what it should be."""
        placed = self._staged(want)
        if step.phase == "admin":
            templates.keep(self._cloud.engine, self._cloud.contract, want, self._cloud.settings.images)
        steprun.run_step(Site(self._cloud.engine, want, placed), self._held, step)

    def ready(self, want: Want, release: Release) -> None:
        """Start the candidate's web and ask it until it reaches its database; raises GateFailed once it is gone."""
        placed = self._staged(want, release)
        self._stand.up(self._stand.beside(want, placed, waiting=False))
        try:
            ready(Site(self._cloud.engine, want, placed), self._patience)
        except GateFailed as failure:
            raise GateFailed(failure.what, self._withdraw(release)) from failure

    def switch(self, want: Want, release: Release) -> None:
        """Let the ingress send customers to the release."""
        self._held.check()
        sites.serve(self._cloud.engine, self._host, self._staged(want, release).slot)
        sites.maintain(self._cloud.engine, self._host, on=False)

    def revert(self, want: Want, failed: Release) -> str:  # noqa: ARG002 -- the stack knows what served
        """Send customers to the release that served before the failed one; to nothing where there was none."""
        recorded = self._stand.recorded
        served = None if recorded is None else recorded.served
        if served is not None and served.release == failed:
            return f"{failed.id} is the release that served before, so there is nothing to go back to: it goes on."
        if served is None:
            sites.remove(self._cloud.engine, self._host)
        else:
            sites.serve(self._cloud.engine, self._host, served.slot)
        return self._withdraw(failed)

    def retire(self, want: Want, release: Release) -> None:
        """Let the release have all its processes, and end what served before; that is kept as data for a rollback."""
        placed = self._staged(want, release)
        recorded = self._stand.recorded
        for other in () if recorded is None else recorded.releases:
            if other.release != release:
                records.forget_release(self._cloud.engine, self._cloud.contract, other.release.id)
        self._stand.up(self._stand.alone(want, placed))
        if self._stand.rekey(want, release):
            ready(Site(self._cloud.engine, want, self._staged(want, release)), self._patience)

    def record(self, event: Event) -> None:
        """Write a line in the journal on the host, where there still is one."""
        if not self.gone:
            with contextlib.suppress(HostError):
                self._held.journal(event)

    def mover(self) -> CloudMover:
        """Return what moves the customer's data."""
        return CloudMover(self._stand)

    def destroy(self, *, keep_data: bool) -> None:
        """Remove everything of the contract, and prove that it is gone; may be run again at any time."""
        self.gone = True
        remove_everything(self._stand, self._host, keep_data=keep_data)

    def _known(self, want: Want) -> Survey:
        if self._survey is None:
            self._survey = survey(self._cloud, want)
        return self._survey

    def _serves(self, release: Release) -> bool:
        """Tell whether the stack was last asked to let customers in to the release."""
        recorded = self._stand.recorded
        return recorded is not None and recorded.served is not None and recorded.served.release == release

    def _staged(self, want: Want, release: Release | None = None) -> Placed:
        """Return a release as the stack holds it: the one at work where none is named."""
        work = self._stand.work
        wanted = release or (work.release if work is not None else None)
        found = None if wanted is None else moves.find(self._stand.recorded, wanted, kept=False)
        if found is None:
            raise HostError(f"{want.contract}: its stack holds no such release", f"crmhost deploy {want.contract}")
        return found

    def _begin(self, want: Want, seen: Survey) -> None:
        """Let a database in which nothing was done begin as a template, and one that must begin anew do so."""
        engine, contract = self._cloud.engine, self._cloud.contract
        found = records.read(engine, contract)
        anew = seen.due is not None and seen.due.reset is not None
        if anew or (not found.steps and found.schema is None and found.others == 0):
            template = templates.find(engine, templates.key(want, self._cloud.settings.images))
            if anew or template is not None:
                templates.begin(engine, contract, template)
        elif not seen.has_files and any(name.endswith(f"@{seen.release.id}") for name in found.steps):
            records.forget_release(engine, contract, seen.release.id)

    def _make_folders(self, want: Want, placed: Placed) -> None:
        """Make the recipe's folders among the customer's data, which a release expects to be there."""
        folders = tuple(Slotted(f"{{data}}/{folder}") for folder in want.recipe.folders)
        output = ran(
            Site(self._cloud.engine, want, placed), Exec(("mkdir", "-p", *folders)), "its folders", "ask", LONGEST
        )
        if output.code:
            raise HostError(f"{want.contract}: its folders could not be made: {output.text.strip()[-300:]}", "")

    def _withdraw(self, failed: Release) -> str:
        """Take a failed candidate out of the stack, where another release serves; say what serves."""
        recorded = self._stand.recorded
        alone = None if recorded is None else moves.without_candidate(recorded)
        if alone is None or alone.served is None:
            return f"Nothing served before, and nothing serves now; {failed.id} is left for inspection: crmhost logs."
        if alone.served.release == failed:
            return f"{failed.id} is the release that served before, so there is nothing to go back to: crmhost logs."
        self._stand.up(alone)
        return f"{alone.served.release.id} still serves; {failed.id} was taken away."


def _mend(engine: Engine, mend: Mend) -> None:
    match mend:
        case Unpause(container):
            engine.unpause(container)
        case Connect(container, network, aliases, again):
            if again:
                engine.disconnect_network(container, network)
            engine.connect_network(container, network, aliases)
        case Disconnect(container, network):
            engine.disconnect_network(container, network)
        case Remove(container):
            engine.remove(container)
