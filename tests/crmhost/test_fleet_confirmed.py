"""What was confirmed is what is done: a plan that is another one by then is refused, and no other contract with it."""

from __future__ import annotations

from dataclasses import replace

from crm.plan import Change, Plan, Release
from crmhost.fleetwide.work import refusal

PLAN = Plan(
    "acme", Release("creme", "2.8.6", "0" * 64, "2.8"), None, 42, (Change("file:site.ini", "update", "it differs"),)
)


def test_the_plan_that_was_shown_is_carried_out() -> None:
    assert refusal(PLAN, {"acme": PLAN.digest, "bolt": "another"}) is None


def test_with_yes_any_plan_is() -> None:
    assert refusal(PLAN, None) is None


def test_another_plan_is_refused_with_the_way_to_look_at_it() -> None:
    now = replace(PLAN, serving="creme-2.7.13-000000000000")
    refused = refusal(now, {"acme": PLAN.digest})
    assert refused is not None
    assert refused.what == "acme: the target has changed since the plan was shown; nothing was done"
    assert refused.remedy == "Look at the new plan: crmhost plan acme"


def test_a_contract_that_nobody_confirmed_is_refused() -> None:
    assert refusal(PLAN, {"bolt": PLAN.digest}) is not None
