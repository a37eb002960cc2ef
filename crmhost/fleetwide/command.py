"""`crmhost plan` and `crmhost deploy` of many contracts: choose, do, tell, and the exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import click

from crm.errors import CrmhostError, Refused
from crmhost.fleet import Fleet
from crmhost.fleetwide.child import Work
from crmhost.fleetwide.choose import Chosen, Job, choose, job_of, left_out
from crmhost.fleetwide.ending import Did, Ending, exit_code, in_order
from crmhost.fleetwide.pool import run_all
from crmhost.fleetwide.schedule import Rules
from crmhost.fleetwide.show import Show, show_for
from crmhost.fleetwide.work import Deploying, Planning
from crmhost.order import read_order


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line, `plan` and `deploy` alike."""

    names: tuple[str, ...]
    everything: bool
    rules: Rules
    refresh: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a deploy was told beforehand. yes: do not ask; accept: trust hosts that were never seen."""

    yes: bool
    accept: bool


def plan_many(fleet: Fleet, asked: Asked) -> int:
    """Plan them all, tell, and return the exit code."""
    whole = _gather(fleet, asked, changes=False)
    with whole.shown(at_once=False) as show:
        whole.look_over(show)
        whole.run(Planning(whole.fleet, asked.refresh), asked.rules, show)
        return whole.told(show)


def deploy_many(fleet: Fleet, asked: Asked, agreed: Agreed) -> int:
    """Deploy them all, tell, and return the exit code; without `--yes` plan all of them first and ask once."""
    whole = _gather(fleet, asked, changes=True)
    if not agreed.yes:
        return _ask_first(whole, agreed)
    with whole.shown(at_once=True) as show:
        whole.look_over(show)
        return _deploy(whole, Deploying(whole.fleet, asked.refresh, agreed.accept), show)


def _ask_first(whole: _Whole, agreed: Agreed) -> int:
    asked = whole.asked
    with whole.shown(at_once=False) as show:
        whole.look_over(show)
        whole.run(Planning(whole.fleet, asked.refresh), replace(asked.rules, canary=0), show)
        code = whole.told(show)
    due = [job for job in whole.jobs if whole.endings[job.contract].did == "changes"]
    if not due:
        return code
    barred = whole.interrupted or (asked.rules.fail_fast and whole.failed)
    yes = not barred and _yes(due)
    with whole.shown(at_once=True) as show:
        if not yes:
            did: Did = "not begun" if barred else "declined"
            why = "planned alone: stopped, or another failed" if barred else ""
            for job in due:
                whole.end(replace(whole.endings[job.contract], did=did, what=why), show)
            return whole.told(show)
        plans = (whole.endings[job.contract].plan for job in due)
        confirmed = {plan.contract: plan for plan in plans if plan is not None}
        whole.jobs, whole.began = due, time.monotonic()
        return _deploy(whole, Deploying(whole.fleet, asked.refresh, agreed.accept, confirmed), show)


def _deploy(whole: _Whole, work: Deploying, show: Show) -> int:
    if any("://" in job.place for job in whole.jobs):
        _make_passphrase(whole.fleet)
    whole.run(work, whole.asked.rules, show)
    return whole.told(show)


def _make_passphrase(fleet: Fleet) -> None:
    """Make what all stacks of the fleet share, before processes run of which each would make one of its own."""
    from crmhost.cloud import PASSPHRASE
    from crmhost.vault import FLEET

    fleet.vault.ensure(FLEET, PASSPHRASE)


def _yes(due: Sequence[Job]) -> bool:
    if not sys.stdin.isatty():
        raise Refused("nobody is here to confirm the plans; nothing was done", "Look at them, then add --yes.")
    names = ", ".join(job.contract for job in due)
    return click.confirm(f"do this for {len(due)} of them ({names})?", err=True)


@dataclass
class _Whole:
    """All contracts of one command, in order: those to work on, and how it ended for each so far."""

    fleet: Fleet
    asked: Asked
    chosen: tuple[str, ...]
    jobs: list[Job]
    endings: dict[str, Ending]
    began: float = field(default_factory=time.monotonic)
    interrupted: bool = False

    @property
    def failed(self) -> bool:
        return any(ending.bad for ending in self.endings.values())

    @contextmanager
    def shown(self, *, at_once: bool) -> Iterator[Show]:
        show = show_for(len(self.jobs), as_json=self.asked.as_json, at_once=at_once)
        try:
            yield show
        finally:
            show.close()

    def look_over(self, show: Show) -> None:
        """Tell which are left out, and which contracts' own files let nothing be done."""
        for ending in self.endings.values():
            show.ends(ending)

    def end(self, ending: Ending, show: Show) -> None:
        self.endings[ending.contract] = ending
        show.ends(ending)

    def run(self, work: Work, rules: Rules, show: Show) -> None:
        before = [ending for ending in self.endings.values() if ending.bad] if rules.fail_fast else []
        ran = run_all(self.jobs, work, rules, show, before)
        self.endings |= {ending.contract: ending for ending in ran.endings}
        self.interrupted = ran.interrupted

    def told(self, show: Show) -> int:
        endings = in_order(self.chosen, self.endings)
        code = exit_code(endings, interrupted=self.interrupted)
        show.close()
        show.total(endings, time.monotonic() - self.began, code)
        return code


def _gather(fleet: Fleet, asked: Asked, *, changes: bool) -> _Whole:
    """Return what is to be worked on. changes: for a deploy."""
    fleet = Fleet(fleet.folder, dict(fleet.environment), fleet.local)  # a form that can go to other processes
    chosen = choose(asked.names, fleet.names(), everything=asked.everything)
    now = time.time_ns() // 1000
    found = [look(fleet, one, now, changes=changes, refresh=asked.refresh) for one in chosen]
    jobs = [one for one in found if isinstance(one, Job)]
    endings = {one.contract: one for one in found if isinstance(one, Ending)}
    return _Whole(fleet, asked, tuple(one.contract for one in chosen), jobs, endings)


def look(fleet: Fleet, one: Chosen, now: int, *, changes: bool, refresh: bool) -> Job | Ending:
    """Return the job of a contract, or how it ends without one: left out, or an error in its file or its stage."""
    try:
        order, access = read_order(fleet, one.contract, now)
        return job_of(order, access, changes=changes, refresh=refresh)
    except CrmhostError as error:
        reason = None if one.named else _reason(fleet, one.contract, now)
        if reason is not None:
            return Ending(one.contract, "left out", what=reason)
        return Ending(one.contract, "failed", what=error.what, remedy=error.remedy)


def _reason(fleet: Fleet, name: str, now: int) -> str | None:
    from contract.amend import at

    try:
        return left_out(at(fleet.contract(name), now), now)
    except CrmhostError:  # a file with mistakes is an error, and was told as one
        return None
