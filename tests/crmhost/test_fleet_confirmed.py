"""What was confirmed is what is done: a plan that does more by then is refused, and no other contract with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crm.plan import Change, Plan, Release
from crmhost.fleetwide.work import refusal

FILE = Change("file:site.ini", "update", "it differs")
FIREWALL = Change("firewall:server", "create", "it is not loaded", ("+ tcp 443 from 192.0.2.0/24",))
DATABASE = Change("pgdatabase:crm-acme", "create", "it is not there")
PLAN = Plan("acme", Release("creme", "2.8.6", "0" * 64, "2.8"), None, 42, (FILE, FIREWALL, DATABASE))
SHOWN = {"acme": PLAN, "bolt": replace(PLAN, contract="bolt")}


def test_the_plan_that_was_shown_is_carried_out() -> None:
    assert refusal(PLAN, SHOWN) is None


def test_with_yes_any_plan_is() -> None:
    assert refusal(PLAN, None) is None


@pytest.mark.parametrize(
    "now",
    [
        (FILE, DATABASE),
        (FILE, replace(FIREWALL, action="update", why="its rules differ", diff=("+ tcp 443 from everybody",))),
        (FILE, FIREWALL, replace(DATABASE, why="it is not there: from the template", later=True)),
    ],
    ids=["done already", "lets others in too", "from a template"],
)
def test_what_other_customers_of_the_host_change_meanwhile_does_not_matter(now: tuple[Change, ...]) -> None:
    assert refusal(replace(PLAN, changes=now), SHOWN) is None


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (replace(PLAN, serving="creme-2.7.13-000000000000"), "what is to be done with them"),
        (replace(PLAN, changes=(*PLAN.changes, Change("unit:web", "stop", "not wanted"))), "unit:web"),
        (replace(PLAN, changes=(replace(FILE, action="delete"),)), "file:site.ini"),
        (replace(PLAN, changes=(FILE, replace(DATABASE, disrupts="data"))), "pgdatabase:crm-acme"),
    ],
    ids=["what serves", "one more", "another action", "it disrupts"],
)
def test_another_plan_is_refused_and_says_what_is_new(now: Plan, what: str) -> None:
    refused = refusal(now, SHOWN)
    assert refused is not None
    assert refused.what.startswith("acme: the target has changed since the plan was shown (")
    assert what in refused.what
    assert refused.what.endswith("; nothing was done")
    assert refused.remedy == "look at the new plan and deploy again"


def test_a_contract_that_nobody_confirmed_is_refused() -> None:
    assert refusal(replace(PLAN, contract="other"), SHOWN) is not None
