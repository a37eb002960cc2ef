"""What a deploy refuses or cannot do, and what it leaves then."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from crm.errors import HostError, LockHeld, Refused
from crm.recipe import PipLock
from crmhost import deploy
from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.server import Faults
from tests.support.deployments import (
    Customer,
    by_resource,
)
from tests.support.hosts import until
from tests.support.smallapp.recipe import RECIPE

pytestmark = pytest.mark.slow


def locked(customer: Customer) -> bool:
    """Tell whether somebody holds the contract's lock."""
    return subprocess.run(["flock", "-n", customer.layout.lock, "true"], check=False).returncode != 0


def test_an_older_schema_is_refused_before_anything_is_done(customer: Customer) -> None:
    customer.deploy("2.0")
    before = sorted(Path(customer.layout.releases).iterdir())
    with pytest.raises(Refused, match=r"2\.0 → 1\.0: old code never runs on a newer database"):
        customer.deploy("1.0")
    assert sorted(Path(customer.layout.releases).iterdir()) == before
    assert customer.get() == "200 ready 2.0, 1 accounts"


def test_an_interrupted_schema_begins_anew_and_says_so(customer: Customer) -> None:
    fault = customer.fault("init")
    with pytest.raises(HostError, match="step schema did not print"):
        customer.deploy()
    assert customer.get() == "down"
    fault.unlink()
    reset = by_resource(customer.plan())["database:acme"]
    assert (reset.action, reset.disrupts) == ("replace", "data")
    customer.deploy()
    assert customer.get() == "200 ready 1.0, 1 accounts"


def test_a_step_that_must_not_run_twice_stops_plan_and_deploy(customer: Customer) -> None:
    customer.deploy()
    with closing(sqlite3.connect(customer.layout.db, isolation_level=None)) as db:
        db.execute("update crmhost_steps set state = 'started' where name = 'register'")
    for act in (customer.plan, customer.deploy):
        with pytest.raises(HostError, match="step register was begun and not finished"):
            act()
    assert customer.get() == "200 ready 1.0, 1 accounts"


def test_such_a_step_that_still_runs_is_waited_for_and_nobody_is_told_to_settle_it(customer: Customer) -> None:
    fault = customer.fault("register")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(customer.deploy)
        until(lambda: waits_in_register(customer), "the step runs")
        for act in (customer.plan, customer.deploy):
            with pytest.raises(LockHeld, match=r"still running: .*deploy smallapp-1\.0-.*; step register"):
                act()
        fault.unlink()
        assert first.result().did == "deployed"
    assert customer.plan().changes == ()
    assert customer.ask("select count(*) from registration") == [(1,)]


def waits_in_register(customer: Customer) -> bool:
    """Tell whether a deploy has begun that step."""
    try:
        return customer.ask("select state from crmhost_steps where name = 'register'") == [("started",)]
    except sqlite3.Error:  # there is no database yet
        return False


def test_a_python_that_is_too_old_is_named_and_nothing_is_switched(box: Sandbox) -> None:
    lock = PipLock("# needs a future\n", ((3, 98), (3, 99)))
    customer = Customer(box, recipe=replace(RECIPE, artifacts={**RECIPE.artifacts, "1.0": lock}))
    running = ".".join(map(str, sys.version_info[:2]))
    with pytest.raises(HostError, match=rf"no usable Python from 3\.98 to 3\.98.* is {running}"):
        customer.deploy()
    assert not Path(customer.layout.current).exists()
    customer.destroy()
    assert list(box.home.iterdir()) == []


def test_a_home_that_cannot_be_written_to_is_one_clear_error(customer: Customer) -> None:
    shutil.rmtree(customer.box.home / ".crmhost")
    (customer.box.home / ".crmhost").write_text("in the way")
    with pytest.raises(HostError, match=r"cannot lock ~/\.crmhost/acme: .*\.crmhost"):
        customer.deploy()


@pytest.mark.parametrize("fault", [Faults(cut_after=4000), Faults(full_after=4000)])
def test_an_upload_that_breaks_off_switches_nothing_and_the_next_one_finishes(
    customer: Customer, fault: Faults
) -> None:
    old = customer.deploy().release
    customer.write("kept")
    customer.box.faults = fault
    with pytest.raises(HostError, match=r"the connection was lost|cannot write files|No space left"):
        customer.deploy("1.1")
    customer.box.faults = Faults()
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.plan().serving == old
    until(lambda: not locked(customer), "the lock is free")
    assert customer.deploy("1.1").did == "deployed"
    assert customer.notes() == ["kept"]
    assert customer.plan("1.1").changes == ()


def test_a_document_root_that_leads_to_our_folder_is_refused(customer: Customer) -> None:
    (customer.box.home / "public_html").symlink_to(".crmhost")
    with customer.driver() as driver:
        driver._document_root = "public_html"  # noqa: SLF001 - what the contract says
        with pytest.raises(Refused, match="lie in one another"):
            deploy.plan(driver, customer.want())
