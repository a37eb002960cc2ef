"""The one sequence of every driver: lock, plan, confirm, stage, steps, gate, switch, retire, journal.

What was confirmed is what is done: the plan is made and confirmed before the lock is taken, made again under it, and
when the two digests differ, nothing is done. This version makes no change that could lose data, so there is nothing to
back up in between. Ctrl-C may come at any moment: the driver ends what runs on the target, and the same command again
finishes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from crm.driver import Driver, Progress, Work
from crm.errors import GateFailed, Refused
from crm.plan import Event, Plan, Release, Want

Confirm: TypeAlias = Callable[[Plan], bool]
Public: TypeAlias = Callable[[Want], None]
"""Asks the customer's URL from here; raises GateFailed when the answer is not the recipe's."""
Did: TypeAlias = Literal["nothing", "declined", "deployed", "rolled back", "destroyed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. `release`: the id of what serves now; `seconds` of the whole, confirmation included."""

    contract: str
    did: Did
    release: str | None
    plan: Plan | None
    seconds: float


def plan(driver: Driver, want: Want) -> Plan:
    """Return what a deploy would change; changes nothing and takes no lock."""
    reason = driver.refuses(want.recipe)
    if reason is not None:
        raise Refused(reason, "choose another target for the contract; crmhost recipes says which one suits")
    return driver.plan(want)


def deploy(
    driver: Driver,
    want: Want,
    *,
    confirm: Confirm,
    progress: Progress,
    public: Public,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Converge the target to what the contract wants, and let the release serve once it has proven itself.

    Raises Refused when the target changed between the confirmation and the lock, GateFailed when the release did not
    become ready (what served before still serves), and what else the driver raises.
    """
    begun = clock()
    with _phase(progress, "plan", want.contract, clock):
        confirmed = plan(driver, want)
    release = confirmed.release
    if not confirmed.changes:
        return Outcome(want.contract, "nothing", confirmed.serving, confirmed, clock() - begun)
    if not confirm(confirmed):
        return Outcome(want.contract, "declined", confirmed.serving, confirmed, clock() - begun)
    with _locked(driver, f"deploy {release.id}", progress, clock) as work:
        _check_unchanged(confirmed, work.plan(want))
        with _phase(progress, "stage", release.id, clock):
            work.stage(want, confirmed)
        _run_steps(work, want, progress, clock)
        _serve(work, want, release, progress, public, clock)
    return Outcome(want.contract, "deployed", release.id, confirmed, clock() - begun)


def rollback(
    driver: Driver,
    want: Want,
    to: str | None,
    *,
    progress: Progress,
    public: Public,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Let a kept release of the same schema serve again, through the same gate.

    `to`: a release's id or its version; None: the one that served before. Raises Refused when there is none such.
    """
    begun = clock()
    with _locked(driver, f"rollback to {to or 'the release before'}", progress, clock) as work:
        serving = driver.status(want).serving
        release = choose(driver.releases(), serving, to, want.contract)
        _serve(work, want, release, progress, public, clock)
    return Outcome(want.contract, "rolled back", release.id, None, clock() - begun)


def destroy(
    driver: Driver,
    want: Want,
    *,
    keep_data: bool,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Remove everything of the contract from its target, but for the data where it is to be kept; may run twice."""
    begun = clock()
    with _locked(driver, "destroy", progress, clock) as work, _phase(progress, "retire", want.contract, clock):
        work.destroy(keep_data=keep_data)
    return Outcome(want.contract, "destroyed", None, None, clock() - begun)


def choose(releases: Sequence[Release], serving: str | None, to: str | None, contract: str) -> Release:
    """Return the release to go back to; `releases` are newest first. Pure; raises Refused when none is right."""
    now = next((release for release in releases if release.id == serving), None)
    others = [release for release in releases if release.id != serving]
    named = [release for release in others if to in (None, release.id, release.version)]
    if to is not None and now is not None and to in (now.id, now.version) and not named:
        raise Refused(f"{contract}: {now.id} serves already", "")
    same = [release for release in named if now is None or release.schema == now.schema]
    if same:
        return same[0]
    kept = ", ".join(release.id for release in others) or "no other release"
    if named and now is not None:
        raise Refused(
            f"{contract}: {named[0].id} needs schema {named[0].schema}, the database has schema {now.schema}:"
            " old code never runs on a schema that it did not make",
            "this version of crmhost does not restore the backup that such a rollback needs; nothing was done",
        )
    raise Refused(f"{contract}: there is no release to go back to; the host keeps {kept}", "")


def _run_steps(work: Work, want: Want, progress: Progress, clock: Callable[[], float]) -> None:
    for step in work.due(want):
        with _phase(progress, "steps", step.name, clock, step.summary):
            work.run(want, step)


def _serve(
    work: Work, want: Want, release: Release, progress: Progress, public: Public, clock: Callable[[], float]
) -> None:
    with _phase(progress, "gate", release.id, clock):
        work.ready(want, release)
    with _phase(progress, "switch", release.id, clock):
        work.switch(want, release)
    try:
        with _phase(progress, "gate", want.slots.get("url", release.id), clock):
            public(want)
    except GateFailed as failure:
        with _phase(progress, "switch", "back", clock):
            still = work.revert(want, release)
        raise GateFailed(f"{release.id} served on the host, but not at its public URL: {failure.what}", still) from None
    with _phase(progress, "retire", release.id, clock):
        work.retire(want, release)


def _check_unchanged(confirmed: Plan, now: Plan) -> None:
    if now.digest == confirmed.digest:
        return
    before, after = ({change.resource for change in p.changes} for p in (confirmed, now))
    differs = ", ".join(sorted(before ^ after)) or "what is to be done with them"
    raise Refused(
        f"{now.contract}: the target has changed since the plan was shown ({differs}); nothing was done",
        "look at the new plan and deploy again",
    )


@contextmanager
def _locked(driver: Driver, doing: str, progress: Progress, clock: Callable[[], float]) -> Iterator[Work]:
    begun = clock()
    progress(Event("lock", doing, "begin"))
    with driver.lock(doing) as work:
        progress(Event("lock", doing, "done", seconds=clock() - begun))
        try:
            yield work
        except BaseException as failure:
            work.record(Event("journal", doing, "failed", type(failure).__name__, clock() - begun))
            raise
        work.record(Event("journal", doing, "done", seconds=clock() - begun))
    progress(Event("journal", doing, "done", seconds=clock() - begun))


@contextmanager
def _phase(
    progress: Progress, phase: str, subject: str, clock: Callable[[], float], detail: str = ""
) -> Iterator[None]:
    begun = clock()
    progress(Event(phase, subject, "begin", detail))
    try:
        yield
    except BaseException:
        progress(Event(phase, subject, "failed", detail, clock() - begun))
        raise
    progress(Event(phase, subject, "done", detail, clock() - begun))
