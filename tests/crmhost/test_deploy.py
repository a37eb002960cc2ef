"""The one sequence: its order, what stops it, and what it leaves. The target here is a small one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

import pytest

from crm.driver import Status, Work
from crm.errors import CrmhostError, GateFailed, HostError, Refused
from crm.plan import Change, Event, Plan, Release, Want
from crm.recipe import Recipe, Step
from crmhost.deploy import Outcome, choose, deploy, destroy, plan, rollback
from tests.support.wants import small_want

WANT = small_want("1.1")


def release(version: str, schema: str = "1", config: str = "c") -> Release:
    return Release("smallapp", version, (config + version.replace(".", "")).ljust(64, "0"), schema)


OLD, NEW = release("1.0"), release("1.1")


@dataclass
class Target:
    """A target that keeps releases and says which one serves; `breaks` names the call that fails."""

    kept: list[Release] = field(default_factory=list)
    serving: str | None = None
    proven: list[str] = field(default_factory=list)
    steps: tuple[Step, ...] = WANT.recipe.steps[:2]
    breaks: dict[str, BaseException] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    between: Callable[[], None] = lambda: None
    refusal: str | None = None

    def did(self, name: str) -> None:
        self.calls.append(name)
        if name in self.breaks:
            raise self.breaks[name]

    def refuses(self, _recipe: Recipe) -> str | None:
        return self.refusal

    def plan(self, want: Want) -> Plan:
        self.did("plan")
        changes = () if self.serving == NEW.id else (Change("link:current", "switch", f"from {self.serving}"),)
        return Plan(want.contract, NEW, self.serving, 3, changes)

    def lock(self, doing: str) -> AbstractContextManager[Work]:
        return self._locked(doing)

    @contextmanager
    def _locked(self, _doing: str) -> Iterator[Work]:
        self.did("lock")
        self.between()
        try:
            yield self
        finally:
            self.calls.append("unlock")

    def stage(self, _want: Want, plan: Plan) -> None:
        self.did("stage")
        self.kept.insert(0, plan.release)

    def due(self, _want: Want) -> Sequence[Step]:
        return self.steps

    def run(self, _want: Want, step: Step) -> None:
        self.did(f"run {step.name}")

    def ready(self, _want: Want, release: Release) -> None:
        self.did(f"ready {release.version}")

    def switch(self, _want: Want, release: Release) -> None:
        self.did(f"switch {release.version}")
        self.serving = release.id

    def revert(self, _want: Want, failed: Release) -> str:
        self.did(f"revert {failed.version}")
        others = [one.id for one in self.kept if one != failed]
        self.serving = others[0] if others else None
        return f"{self.serving or 'nothing'} serves"

    def retire(self, _want: Want, release: Release) -> None:
        self.did(f"retire {release.version}")

    def record(self, event: Event) -> None:
        self.calls.append(f"record {event.state}")

    def destroy(self, *, keep_data: bool) -> None:
        self.did(f"destroy {keep_data}")

    def status(self, want: Want) -> Status:
        return Status(want.contract, self.serving, tuple(one.id for one in self.kept), (), None, None)

    def logs(self, process: str, lines: int) -> Iterator[str]:
        raise NotImplementedError(process, lines)

    def exec(self, want: Want, argv: Sequence[str]) -> int:
        raise NotImplementedError(want, argv)

    def releases(self) -> Sequence[Release]:
        return self.kept


def go(target: Target, *, yes: bool = True, public: BaseException | None = None) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []

    def ask_public(_want: Want) -> None:
        target.calls.append("public")
        if public is not None:
            raise public

    ticks = iter(range(1000))
    outcome = deploy(
        target, WANT, confirm=lambda _: yes, progress=events.append, public=ask_public, clock=lambda: next(ticks)
    )
    return outcome, events


def test_the_order_is_that_of_the_design() -> None:
    target = Target([OLD], OLD.id)
    outcome, events = go(target)
    assert target.calls == [
        "plan", "lock", "plan", "stage", "run schema", "run seed", "ready 1.1", "switch 1.1", "public", "retire 1.1",
        "record done", "unlock",
    ]  # fmt: skip
    assert (outcome.did, outcome.release) == ("deployed", NEW.id)
    ended = [(event.phase, event.subject) for event in events if event.state == "done"]
    assert [phase for phase, _ in ended] == [
        "plan", "lock", "stage", "steps", "steps", "gate", "switch", "gate", "retire", "journal",
    ]  # fmt: skip
    assert all(event.seconds is not None and event.seconds > 0 for event in events if event.state == "done")


def test_nothing_to_do_takes_no_lock() -> None:
    target = Target([NEW], NEW.id)
    assert go(target)[0].did == "nothing"
    assert target.calls == ["plan"]


def test_what_is_not_confirmed_is_not_done() -> None:
    target = Target([OLD], OLD.id)
    assert go(target, yes=False)[0].did == "declined"
    assert target.calls == ["plan"]


def test_a_target_that_changed_after_the_confirmation_is_left_alone() -> None:
    target = Target([OLD], OLD.id)
    target.between = lambda: setattr(target, "serving", "smallapp-0.9")
    with pytest.raises(Refused, match="has changed since the plan was shown"):
        go(target)
    assert target.calls == ["plan", "lock", "plan", "record failed", "unlock"]


def test_a_recipe_that_the_target_refuses_is_not_even_planned() -> None:
    target = Target(refusal="it needs PHP")
    with pytest.raises(Refused, match="it needs PHP"):
        plan(target, WANT)
    assert target.calls == []


@pytest.mark.parametrize(
    ("where", "error", "last"),
    [
        ("stage", HostError("disk full"), "stage"),
        ("run seed", HostError("step seed"), "run seed"),
        ("ready 1.1", GateFailed("500", "old serves"), "ready 1.1"),
        ("switch 1.1", GateFailed("500", "old serves"), "switch 1.1"),
        ("stage", KeyboardInterrupt(), "stage"),
    ],
)
def test_a_failure_ends_the_sequence_there_and_frees_the_lock(where: str, error: BaseException, last: str) -> None:
    target = Target([OLD], OLD.id, breaks={where: error})
    with pytest.raises(type(error)):
        go(target)
    assert target.calls[-3:] == [last, "record failed", "unlock"]
    assert target.serving == OLD.id


def test_a_public_url_that_does_not_answer_switches_back() -> None:
    target = Target([OLD], OLD.id)
    with pytest.raises(GateFailed, match="not at its public URL: 502") as failure:
        go(target, public=GateFailed("502"))
    assert failure.value.remedy == f"{OLD.id} serves"
    assert target.serving == OLD.id
    assert "retire 1.1" not in target.calls


def test_a_first_release_that_fails_in_public_leaves_nothing_serving() -> None:
    target = Target()
    with pytest.raises(GateFailed) as failure:
        go(target, public=GateFailed("502"))
    assert failure.value.remedy == "nothing serves"
    assert target.serving is None


def test_rollback_goes_through_the_same_gate() -> None:
    target = Target([NEW, OLD], NEW.id)
    outcome = rollback(target, WANT, None, progress=lambda _: None, public=lambda _: target.calls.append("public"))
    assert target.calls == ["lock", "ready 1.0", "switch 1.0", "public", "retire 1.0", "record done", "unlock"]
    assert (outcome.did, outcome.release) == ("rolled back", OLD.id)


def test_destroy_runs_under_the_lock() -> None:
    target = Target([NEW], NEW.id)
    assert destroy(target, WANT, keep_data=True, progress=lambda _: None).did == "destroyed"
    assert target.calls == ["lock", "destroy True", "record done", "unlock"]


TWO = release("2.0", "2")


@pytest.mark.parametrize(
    ("kept", "serving", "to", "chosen"),
    [
        ([NEW, OLD], NEW, None, OLD),
        ([NEW, OLD], NEW, "1.0", OLD),
        ([NEW, OLD], NEW, OLD.id, OLD),
        ([NEW, TWO, OLD], NEW, None, OLD),
        ([NEW, replace(NEW, config="f" * 64)], NEW, "1.1", replace(NEW, config="f" * 64)),
    ],
)
def test_the_release_to_go_back_to(kept: list[Release], serving: Release, to: str | None, chosen: Release) -> None:
    assert choose(kept, serving.id, to, "acme") == chosen


@pytest.mark.parametrize(
    ("kept", "serving", "to", "what"),
    [
        ([NEW], NEW, None, "there is no release to go back to"),
        ([NEW, OLD], NEW, "1.1", "serves already"),
        ([NEW, OLD], NEW, "0.9", "the host keeps smallapp-1.0-"),
        ([NEW, TWO], NEW, "2.0", "needs schema 2, the database has schema 1"),
    ],
)
def test_what_cannot_be_gone_back_to(kept: list[Release], serving: Release, to: str | None, what: str) -> None:
    with pytest.raises(CrmhostError, match=what):
        choose(kept, serving.id, to, "acme")
