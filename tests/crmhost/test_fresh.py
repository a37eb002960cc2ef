"""Secrets that the fleet lacks: stored when a deploy begins, and never made up where a release was made with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crm.errors import Refused
from crm.made import holds, made_with
from crm.steps import Records
from crmhost.deploy import deploy
from crmhost.fresh import Fresh, refusal
from crmhost.sequence import Means
from crmhost.vault import Vault, make_identity
from tests.support.standin import NEW, OLD, WANT, Target

KEY, CRON = "secret-key", "cron-key"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    key = tmp_path / "age.key"
    return Vault(tmp_path / "secrets", (make_identity(key),), {"CRMHOST_AGE_KEY_FILE": str(key)})


def go(target: Target, fresh: Fresh, *, yes: bool = True) -> str:
    means = Means(lambda _: None, lambda _: None, fresh=fresh)
    return deploy(target, WANT, means, confirm=lambda _: yes).did


def test_a_first_deploy_stores_what_was_made_up_before_it_is_used(vault: Vault) -> None:
    fresh = Fresh(vault, "acme")
    value, stored = fresh.get(KEY), list[str | None]()
    target = Target()
    target.between = lambda: stored.append(vault.get("acme", KEY))
    assert go(target, fresh) == "deployed"
    assert (stored, vault.get("acme", KEY)) == ([None], value)
    assert target.calls.index("made with") < target.calls.index("lock")


def test_nothing_is_stored_where_nobody_agreed(vault: Vault) -> None:
    fresh = Fresh(vault, "acme")
    fresh.get(KEY)
    assert go(Target(), fresh, yes=False) == "declined"
    assert vault.names() == ()


@pytest.mark.parametrize("made", [None, frozenset({KEY, "admin-password"})])
def test_nothing_is_made_up_for_what_was_made_with_it(vault: Vault, made: frozenset[str] | None) -> None:
    target, fresh = Target([OLD], OLD.id, made=made), Fresh(vault, "acme")
    fresh.get(KEY)
    with pytest.raises(
        Refused, match=r"acme: was made with secrets that this fleet lacks: secret-key; nothing was done"
    ):
        go(target, fresh)
    assert (target.calls, vault.names()) == (["plan", "made with"], ())


def test_even_a_plan_without_changes_is_refused(vault: Vault) -> None:
    target, fresh = Target([NEW], NEW.id), Fresh(vault, "acme")
    fresh.get("admin-password")
    with pytest.raises(Refused, match="this fleet lacks: admin-password"):
        go(target, fresh)


def test_a_secret_that_a_newer_recipe_added_is_made(vault: Vault) -> None:
    vault.set("acme", KEY, "used")
    target, fresh = Target([OLD], OLD.id, made=frozenset({KEY})), Fresh(vault, "acme")
    assert fresh.get(KEY) == "used"
    value = fresh.get(CRON)
    assert go(target, fresh) == "deployed"
    assert (vault.get("acme", CRON), vault.get("acme", KEY)) == (value, "used")


def test_one_that_somebody_stored_meanwhile_is_not_written_over(vault: Vault) -> None:
    target, fresh = Target(), Fresh(vault, "acme")
    fresh.get(KEY)
    target.between = lambda: vault.set("acme", KEY, "of another")
    with pytest.raises(Refused, match="secret-key was stored by somebody else meanwhile; nothing was done"):
        go(target, fresh)
    assert vault.get("acme", KEY) == "of another"
    assert "stage" not in target.calls


def test_the_remedies_say_which_may_be_another_one() -> None:
    keys = replace(WANT.recipe.backup, keys=(KEY,))
    want = replace(WANT, recipe=replace(WANT.recipe, backup=keys))
    lines = refusal(want, "secrets/acme", {KEY, CRON, "admin-password", "tls-authority"}).remedy.splitlines()
    assert lines[0].startswith("Bring secrets/acme back: git checkout")
    assert [line.partition(": ")[0] for line in lines[1:]] == ["admin-password", CRON, KEY, "tls-authority"]
    assert lines[1].endswith("has in the CRM now: crmhost secrets set acme admin-password")
    assert lines[2].endswith("may be another one: openssl rand -hex 32 | crmhost secrets set acme cron-key")
    assert "cannot be made anew" in lines[3]
    assert lines[4].endswith("crmhost secrets set acme tls-authority < FILE")


def test_what_is_there_was_made_with() -> None:
    asked = frozenset({KEY, CRON})
    assert made_with(asked, (), data=False) == frozenset()
    assert made_with(asked, (), data=True) == asked
    assert made_with(asked, (None,), data=False) == asked
    assert made_with(asked, ((KEY,), None), data=True) == {KEY}
    assert not holds(Records({}))
    assert not holds(Records({"schema": "finished"}, ("a", "1", "1"), template=True))
    assert holds(Records({}, ("a", "1", "1")))
