"""The work on one contract in a process where nobody can be asked: a plan, or a deploy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from crm.errors import CrmhostError, Refused
from crm.plan import Event
from crmhost.fleet import Fleet
from crmhost.fleetwide.child import Tell
from crmhost.fleetwide.ending import Did, Ending

if TYPE_CHECKING:
    from crm.backup import Lost
    from crm.plan import Plan
    from crmhost.deploy import Outcome


@dataclass(frozen=True)
class Planning:
    """Ask a contract's host what a deploy would change. refresh: Pulumi, too, looks at every resource."""

    fleet: Fleet
    refresh: bool = False

    def __call__(self, contract: str, tell: Tell) -> Ending:
        """Return `changes` or `nothing`; raises CrmhostError."""
        from crmhost import deploy
        from crmhost.target import open_target

        with _Stranger(contract, "plan") as stranger:  # noqa: SIM117 -- what is asked inside belongs to it
            with open_target(self.fleet, contract, stranger.ask, tell, refresh=self.refresh) as target:
                plan = deploy.plan(target.driver, target.want)
        tell(plan)
        did: Did = "changes" if plan.changes else "nothing"
        return Ending(contract, did, plan.release.id, len(plan.changes), digest=plan.digest, plan=plan)


@dataclass(frozen=True)
class Deploying:
    """Bring a contract's host to what the contract says, without a question.

    accept: trust a host that was never seen. confirmed: the plans that a person agreed to, by contract; None: to
    whatever the plan is (`--yes`).
    """

    fleet: Fleet
    refresh: bool = False
    accept: bool = False
    confirmed: Mapping[str, Plan] | None = None

    def __call__(self, contract: str, tell: Tell) -> Ending:
        """Return how the deploy ended; raises CrmhostError."""
        from crmhost import deploy
        from crmhost.target import open_target

        with _Stranger(contract, "deploy", tell, accept=self.accept) as stranger:  # noqa: SIM117 -- as above
            with open_target(
                self.fleet, contract, stranger.ask, tell, make_secrets=True, refresh=self.refresh
            ) as target:
                means = target.means(lambda lost: self._sure(contract, lost, tell))
                outcome = deploy.deploy(target.driver, target.want, means, confirm=lambda plan: self._yes(plan, tell))
        return _ending(outcome)

    def _yes(self, plan: Plan, tell: Tell) -> bool:
        refused = refusal(plan, self.confirmed)
        if self.confirmed is None or refused is not None:
            tell(plan)  # nobody saw this one yet
        if refused is not None:
            raise refused
        return True

    def _sure(self, contract: str, lost: Lost, tell: Tell) -> bool:
        """Let writes be lost with `--yes` alone: who confirmed the plans was not asked about these."""
        tell(Event("backup", contract, "note", f"{lost}"))
        return self.confirmed is None


def refusal(plan: Plan, confirmed: Mapping[str, Plan] | None) -> Refused | None:
    """Return why a plan is not carried out: it does what nobody confirmed. None: it is carried out.

    What is done already, by the deploy of another contract of the same host, was confirmed all the same.
    """
    from crmhost.deploy import check_covered

    if confirmed is None:
        return None
    shown = confirmed.get(plan.contract)
    if shown is None:
        return Refused(f"{plan.contract}: its plan was not shown", f"Look at it: crmhost plan {plan.contract}")
    try:
        check_covered(shown, plan, beside=True)
    except Refused as refused:
        return refused
    return None


def _ending(outcome: Outcome) -> Ending:
    """Return the ending that an outcome of `deploy` is."""
    dids: Mapping[str, Did] = {"nothing": "nothing", "deployed": "deployed", "restored": "restored"}
    plan = outcome.plan
    return Ending(
        outcome.contract,
        dids.get(outcome.did, "declined"),
        outcome.release,
        len(plan.changes) if plan is not None else None,
        backup=outcome.backup,
        digest=plan.digest if plan is not None else None,
    )


class _Stranger:
    """Decides about a host that was never seen, and says in an error where it can be asked about."""

    def __init__(self, contract: str, verb: str, tell: Tell | None = None, *, accept: bool = False) -> None:
        self._contract, self._verb, self._tell, self._accept, self._asked = contract, verb, tell, accept, False

    def ask(self, fingerprint: str) -> bool:
        self._asked = True
        if self._accept and self._tell is not None:
            known = f"its key {fingerprint} is trusted from now on (known_hosts)"
            self._tell(Event("plan", "a new host", "note", known))
        return self._accept

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._asked and not self._accept and isinstance(error, CrmhostError):
            where = f"Over many contracts nobody is asked; this one alone asks: crmhost {self._verb} {self._contract}"
            error.remedy = f"{error.remedy}\n{where}"
