"""Ctrl-C during the deploy of one contract: what is said of what it left, without asking the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from crm.driver import Progress
from crm.plan import Crossing
from crmhost.cli.deploy import Switches, carry_out
from crmhost.target import Accept
from crmhost.target import Target as Opened
from tests.support.standin import NEW, OLD, TWO, Backups, Target, wants

GOES_ON = "the same command again goes on."
SHUT = f"{GOES_ON} Until then customers may see the maintenance page; crmhost rollback acme takes the upgrade back."


def stop(target: Target, version: str, where: str) -> str:
    """Return what a deploy says that is interrupted there."""
    target.breaks = {where: KeyboardInterrupt()}

    def opening(_accept: Accept, progress: Progress) -> AbstractContextManager[Opened]:
        return opened(progress)

    @contextmanager
    def opened(progress: Progress) -> Iterator[Opened]:
        kept = Backups()
        yield Opened(target, wants(version), progress, public=lambda _: target.did("public"), backups=lambda: kept)

    with pytest.raises(KeyboardInterrupt) as stopped:
        carry_out("acme", Switches(as_json=False, yes=True, accept_host_key=False), opening)
    return str(stopped.value)


@pytest.mark.parametrize("where", ["plan", "lock", "stage", "run seed", "ready 1.1"])
def test_a_deploy_goes_on(where: str) -> None:
    assert stop(Target([OLD], OLD.id), NEW.version, where) == GOES_ON


@pytest.mark.parametrize(
    ("where", "said"),
    [("fetch 2.0", GOES_ON), ("close", SHUT), ("run schema", SHUT), ("open", SHUT), ("public", GOES_ON)],
)
def test_an_upgrade_says_what_customers_may_see(where: str, said: str) -> None:
    target = Target([OLD], OLD.id, running=OLD, done={"schema>1.0", "seed>1.0"})
    assert stop(target, TWO.version, where) == said


def test_one_that_was_begun_before_may_show_the_page_from_the_beginning() -> None:
    for found, said in ((Crossing(OLD, TWO, 5), SHUT), (Crossing(OLD, TWO, 5, "open", "acme-1"), GOES_ON)):
        target = Target([OLD], OLD.id, running=OLD, remembered=found)
        assert stop(target, TWO.version, "lock") == said
