"""What breaks in the middle of a deploy to a server: one clear error, nothing torn, and the same command converges."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from crm.errors import CrmhostError, HostError, LockHeld, Refused
from crm.recipe import File
from tests.playbooks.lan.conftest import ARTIFACTS, lend
from tests.support.lanfaults import At, awaits_notes, cut, mend, once, reading_notes
from tests.support.lanhost import LanHost
from tests.support.lans import LanCustomer
from tests.support.smallapp.recipe import RECIPE, VERSIONS
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.cloud, pytest.mark.timeout(900)]
SILENCE = 45
"""Seconds without a sign of life after which both ends give an operation up."""
SLACK = 30
"""Seconds more, on a machine that has much else to do."""
LARGE = replace(RECIPE, files=(*RECIPE.files, File("large", ("x" * 60_000_000,))))


def deployed(lan: LanHost, version: str = "1.0") -> LanCustomer:
    """Return a customer who has written something."""
    customer = LanCustomer(lan)
    customer.deploy(version)
    customer.write("precious")
    return customer


def converges(customer: LanCustomer, version: str) -> None:
    """Give the same command again, and fail unless it does everything that is left, and nothing is lost."""
    until(partial(free, customer), "the lock is free", SILENCE + SLACK)
    until(partial(done, customer, version), "the same command again", 300)
    assert customer.plan(version).changes == ()
    assert customer.get() == f"200 ready {version}, 1 accounts"
    assert customer.ask("select text from note") in ("precious", "")
    assert customer.ask("select count(*) from registration") == "1"


def done(customer: LanCustomer, version: str) -> bool:
    """Deploy; False where a process that ends again and again, as one without a database does, changed the plan."""
    try:
        customer.deploy(version)
    except Refused as refusal:
        if "has changed since the plan was shown" not in refusal.what:
            raise
        return False
    return True


def refusal(customer: LanCustomer, version: str) -> str:
    """Deploy, and return what was refused; nothing where a process that ends again and again changed the plan."""
    with pytest.raises(Refused) as refused:
        customer.deploy(version)
    return "" if "has changed since the plan was shown" in refused.value.what else refused.value.what


def free(customer: LanCustomer) -> bool:
    lock = customer.layout.lock
    return customer.lan.run(f"if ! [ -e {lock} ] || flock -n {lock} true; then echo free; fi") == "free\n"


def sending(customer: LanCustomer) -> str:
    """Return the condition that a large file is being sent."""
    return f"find {customer.layout.engine}/staging -size +1M | grep -q ."


def test_a_network_that_goes_while_files_are_sent(lan: LanHost) -> None:
    customer = deployed(lan)
    customer.recipe = LARGE
    with once(lan, sending(customer), partial(cut, lan, "reset")), pytest.raises(HostError) as lost:
        customer.deploy("1.1")
    mend(lan)
    assert re.match(
        rf"deploy@{lan.address}: (the connection was lost.*|no answer within \d+ s) while files were sent$",
        lost.value.what,
    )
    assert "un the same command again" in lost.value.remedy
    assert customer.get() == "200 ready 1.0, 1 accounts"
    converges(customer, "1.1")


def test_a_network_that_drops_every_packet_while_files_are_sent(lan: LanHost) -> None:
    """Nobody is told, and what waits to be sent is never acknowledged: the kernel ends it, or this end's patience.

    That is of as many seconds with what is sent as with the host's signs of life, and either may be over first.
    """
    customer = deployed(lan)
    customer.recipe = LARGE
    at: list[float] = []

    def drop() -> None:
        cut(lan, "drop")
        at.append(time.monotonic())

    with once(lan, sending(customer), drop), pytest.raises(HostError) as lost:
        customer.deploy("1.1")
    took = time.monotonic() - at[0]
    mend(lan)
    assert took < SILENCE + SLACK
    assert re.fullmatch(
        rf"deploy@{lan.address}: ((no answer within {SILENCE} s|the connection was lost: [^\n]+,) while files were sent"
        rf"|silent for {SILENCE} s during stage)",
        lost.value.what,
    )
    assert lost.value.remedy == "The host ends what it was doing by itself; run the same command again."
    assert customer.get() == "200 ready 1.0, 1 accounts"
    converges(customer, "1.1")


def test_a_network_that_goes_while_the_schema_changes(lan: LanHost) -> None:
    """The maintenance page stays, and the backup comes back before the step is run again."""
    customer = deployed(lan)
    with reading_notes(customer):
        begun = time.monotonic()
        with once(lan, awaits_notes(customer), partial(cut, lan, "drop")), pytest.raises(CrmhostError) as lost:
            customer.deploy("2.0")
        took = time.monotonic() - begun
        mend(lan)
        assert f"deploy@{lan.address}: upgrade did not end within 30 s" in lost.value.what
        assert "crmhost rollback acme" in lost.value.remedy
        assert took < SILENCE + 3 * SLACK
        assert customer.get().startswith("503 ")
    with customer.driver() as driver:
        assert ("maintenance", "up", "customers see it") in driver.status(customer.want()).processes
    converges(customer, "2.0")
    with customer.driver() as driver:
        assert "maintenance" not in {name for name, _, _ in driver.status(customer.want("2.0")).processes}


def test_a_network_that_goes_at_the_switch(lan: LanHost) -> None:
    customer = deployed(lan)
    at = At("switch", "smallapp-1.1-", "begin", partial(cut, lan, "reset"))
    with pytest.raises(CrmhostError) as lost:
        customer.deploy("1.1", progress=at)
    mend(lan)
    assert at.struck
    assert re.search(rf"deploy@{lan.address}: the connection (was lost|ended)", lost.value.what)
    assert "un the same command again" in lost.value.remedy
    assert re.match(r"200 ready 1\.[01], 1 accounts", customer.get()), "one of the two serves"
    converges(customer, "1.1")


def test_a_database_server_that_stops_before_a_deploy_is_started_by_it(lan: LanHost) -> None:
    customer = deployed(lan)
    lan.run("systemctl stop postgresql@15-main")
    starts = {change.resource: change.action for change in customer.plan("1.1").changes}
    assert starts["service:postgresql@15-main"] == "start"
    converges(customer, "1.1")


def test_a_database_server_that_stops_in_the_middle(lan: LanHost) -> None:
    customer = deployed(lan)
    at = At("steps", "derive", "begin", partial(lan.run, "systemctl stop postgresql@15-main"))
    with pytest.raises(CrmhostError, match=r"step derive|PostgreSQL|psql") as failed:
        customer.deploy("1.1", progress=at)
    assert at.struck
    assert failed.value.remedy
    converges(customer, "1.1")


def test_a_sudo_that_refuses_in_the_middle(lan: LanHost) -> None:
    customer = deployed(lan)
    at = At("gate", "smallapp-1.1-", "begin", partial(lan.run, "mv /etc/sudoers.d/test /root/test"))
    with pytest.raises(CrmhostError) as refused:
        customer.deploy("1.1", progress=at)
    lan.run("mv /root/test /etc/sudoers.d/test")
    assert at.struck
    assert re.search(rf"deploy@{lan.address}: sudo .*password", refused.value.what)
    assert refused.value.remedy
    assert customer.get() == "200 ready 1.0, 1 accounts"
    converges(customer, "1.1")


FILLER = "/var/lib/crmhost/filler"


def on_a_small_disk(lan: LanHost) -> LanCustomer:
    """Return a customer with crmhost's own folder on a disk of 64 MB."""
    lan.run(f"mount -t tmpfs -o size=64m,mode=755 tmpfs /var/lib/crmhost && mkdir {ARTIFACTS}")
    for version in VERSIONS[1:3]:
        lend(lan, version)
    return deployed(lan)


def filled(lan: LanHost) -> Callable[[], object]:
    """Return what leaves no room on it."""
    return partial(lan.run, f"head -c 64000000 /dev/zero >{FILLER} 2>/dev/null || true")


@pytest.mark.parametrize(("phase", "subject"), [("stage", "file:"), ("steps", "derive")])
def test_a_disk_that_fills_up_in_the_middle_of_a_release(lan: LanHost, phase: str, subject: str) -> None:
    customer = on_a_small_disk(lan)
    at = At(phase, subject, "begin", filled(lan))
    with pytest.raises(HostError) as full:
        customer.deploy("1.1", progress=at)
    assert at.struck
    assert "No space left on device" in full.value.what
    assert full.value.what.startswith(f"deploy@{lan.address}: ")
    assert full.value.remedy
    assert customer.get() == "200 ready 1.0, 1 accounts"
    lan.run(f"rm {FILLER}")
    converges(customer, "1.1")


def test_a_disk_that_is_full_when_the_backup_is_to_be_remembered(lan: LanHost) -> None:
    customer = on_a_small_disk(lan)
    at = At("backup", "acme", "begin", filled(lan))
    with pytest.raises(HostError) as full:
        customer.deploy("2.0", progress=at)
    assert at.struck
    assert full.value.what.count("No space left on device") == 2, "forth, and back"
    lan.run(f"rm {FILLER}")
    assert customer.deploy("2.0").did in {"restored", "deployed"}
    converges(customer, "2.0")


def test_two_engineers_at_once(lan: LanHost) -> None:
    customer = deployed(lan)
    held: list[LockHeld] = []

    def other() -> None:
        with pytest.raises(LockHeld) as found:
            customer.deploy("1.1")
        held.append(found.value)

    assert customer.deploy("1.1", progress=At("steps", "derive", "begin", other)).did == "deployed"
    assert re.search(r"somebody is at work on acme: test@here: deploy smallapp-1\.1-\w+, since ", held[0].what)
    assert "Wait until it ends" in held[0].remedy
    assert customer.deploy("1.1").did == "nothing"
    converges(customer, "1.1")


def test_a_database_server_that_is_down_lets_no_schema_change_without_a_backup(lan: LanHost) -> None:
    customer = deployed(lan)
    lan.run("systemctl stop postgresql@15-main")
    assert until(partial(refusal, customer, "2.0"), "a plan that holds until the lock is there", 60) == (
        "acme: its database has another schema than 2.0 needs, and could not say so when the plan was made"
    )
    until(lambda: customer.get() == "200 ready 1.0, 1 accounts", "what served serves again", SLACK)
    converges(customer, "2.0")
    assert [backup.why for backup in customer.shelf.list()] == ["upgrade"]
