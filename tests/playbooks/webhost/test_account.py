"""Contracts that share an account: templates, artifacts, locks, and leaving."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.errors import LockHeld
from crm.plan import Event
from crmhost.sandbox.ports import free_port
from tests.support.deployments import (
    Customer,
    by_resource,
    lend_artifacts,
    quick_public,
)
from tests.support.hosts import until
from tests.support.wants import SECRETS

pytestmark = pytest.mark.slow
MINUTE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_second_customer_begins_from_the_template_which_holds_no_secret(customer: Customer) -> None:
    customer.deploy()
    (template,) = Path(customer.layout.templates).iterdir()
    for secret in SECRETS.values():
        assert secret.encode() not in template.read_bytes()
    with closing(sqlite3.connect(template)) as db:
        assert db.execute("select name from account").fetchall() == [("root",)]
        assert db.execute("select name from crmhost_steps order by name").fetchall() == [("schema",), ("seed",)]
    other = Customer(customer.box, "globex")
    plan = by_resource(other.plan())
    assert "step:schema" not in plan
    assert plan["database:.crmhost/globex/data/db.sqlite3"].diff == (
        "+ from the template of this version, initialised before",
    )
    other.deploy()
    assert other.get() == "200 ready 1.0, 1 accounts"
    assert other.log_in("root", "root") is None
    other.write("mine")
    assert customer.notes() == []
    third = Customer(customer.box, "initech")
    assert "step:schema" in by_resource(third.plan(language="fa"))


def test_destroy_leaves_nothing_and_may_be_run_again(customer: Customer) -> None:
    customer.deploy()
    customer.deploy("1.1")
    (customer.box.home / "public_html").mkdir()
    running = customer.box.running
    assert running
    customer.destroy()
    assert customer.get() == "down"
    assert [path.name for path in customer.box.home.iterdir() if path.name != "public_html"] == []
    until(lambda: not customer.box.running, "every process has ended")
    assert customer.destroy().did == "destroyed"
    assert not (customer.box.home / ".crmhost").exists()


def test_destroy_leaves_the_other_contracts_of_the_account_alone(customer: Customer) -> None:
    other = Customer(customer.box, "globex")
    customer.deploy()
    other.deploy()
    customer.destroy()
    assert not customer.root.exists()
    assert other.get() == "200 ready 1.0, 1 accounts"
    assert other.plan().changes == ()
    assert other.box.tick(MINUTE) == 2


def test_data_that_was_kept_is_served_again(customer: Customer, artifacts: Path) -> None:
    customer.deploy()
    customer.write("precious")
    customer.destroy(keep_data=True)
    assert [path.name for path in customer.root.iterdir()] == ["data"]
    lend_artifacts(artifacts, customer.box)
    customer.deploy()
    assert customer.notes() == ["precious"]
    assert customer.get("/static/style.css").startswith("200 /* 1.0")


def test_of_two_deploys_at_once_the_second_names_step_and_holder(customer: Customer) -> None:
    held, go_on = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def wait(event: Event) -> None:
        if (event.phase, event.subject, event.state) == ("steps", "seed", "begin"):
            held.set()
            go_on.wait(60)

    def first() -> None:
        try:
            customer.deploy(progress=wait)
        except BaseException as error:  # noqa: BLE001 - the test shows it
            raised.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(60)
    with pytest.raises(LockHeld, match=r"at work on acme: test@here: deploy smallapp-1\.0-"):
        customer.deploy()
    with customer.driver() as driver:
        holder = driver.status(customer.want()).holder
    assert holder is not None
    assert "test@here: deploy smallapp-1.0-" in holder
    go_on.set()
    thread.join(60)
    assert raised == []
    assert customer.plan().changes == ()


def test_two_customers_of_one_account_deploy_at_once(customer: Customer) -> None:
    others = [customer, Customer(customer.box, "globex", free_port())]
    failures: list[BaseException] = []

    def run(one: Customer) -> None:
        try:
            one.deploy(public=quick_public)
        except BaseException as error:  # noqa: BLE001 - the test shows it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    for one in others:
        assert one.get() == "200 ready 1.0, 1 accounts"
        assert one.plan().changes == ()
