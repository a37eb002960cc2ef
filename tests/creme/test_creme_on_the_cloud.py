"""Two customers with Creme on one Docker host by the command line: confined, apart, upgraded under load, gone.

The tests of this file are one walk, in their order. CRMHOST_LOAD_RATE says how many requests a second are sent; with
`pytest -s` the counts are printed, and how long each phase of the upgrade took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crm.catalogue import find
from infra import naming
from infra.engine.connect import Reach, connect
from infra.toolchain import Toolchain
from tests.support.cloud import Company, Customer, company
from tests.support.cremeuser import contacts, signed_in
from tests.support.ingress import SharedIngress, ingress
from tests.support.load import Site, Tally, load
from tests.support.until import until

__all__ = ["ingress"]
pytestmark = [pytest.mark.slow, pytest.mark.creme, pytest.mark.timeout(1800)]
CREME = find("creme")
OLD, NEW = CREME.versions
RATE = float(os.environ.get("CRMHOST_LOAD_RATE", "10"))
"""Requests a second. Two cores that run the whole suite do not answer fifty of Creme's pages."""


@pytest.fixture(scope="module")
def hosting(
    ingress: SharedIngress,
    toolchain: Toolchain,
    provider_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Company:
    """A fleet whose images are built here, as its own would be."""
    path = os.pathsep.join(map(str, (provider_path, toolchain.folder, os.environ["PATH"])))
    authority = os.environ.get("PIP_CERT")
    more = {} if authority is None else {"cloud.images.ca": authority}
    return company(tmp_path_factory.mktemp("creme") / "fleet", ingress, {**os.environ, "PATH": path}, more)


@pytest.fixture(scope="module")
def acme(hosting: Company) -> Iterator[Customer]:
    yield (customer := hosting.customer(f"ca-{hosting.mark}", CREME, OLD))
    customer.sweep()


@pytest.fixture(scope="module")
def globex(hosting: Company) -> Iterator[Customer]:
    yield (customer := hosting.customer(f"cg-{hosting.mark}", CREME, OLD))
    customer.sweep()


@pytest.fixture(scope="module")
def user(acme: Customer) -> Site:
    """A user who signed in before the upgrade, so that the session is among what a rollback puts back."""
    return signed_in(acme)


def crmhost(customer: Customer, verb: str, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """Give a command, and return the lines of its JSON."""
    fleet = customer.company.fleet
    done = subprocess.run(
        [sys.executable, "-m", "crmhost", verb, customer.contract, *arguments, "--json"],
        cwd=fleet.folder,
        env=dict(fleet.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def signed_for(customer: Customer, version: str) -> None:
    """Let the contract say another version."""
    file = customer.company.fleet.contract_file(customer.contract)
    file.write_text(file.read_text().replace(f"'{OLD}'", f"'{version}'").replace(f"'{NEW}'", f"'{version}'"))


def test_two_customers_are_deployed_log_in_and_have_nothing_left_to_do(acme: Customer, globex: Customer) -> None:
    shown = ""
    for customer in (acme, globex):
        shown += str(crmhost(customer, "plan", code=2))
        shown += str(crmhost(customer, "deploy", "--yes"))
        (said,) = crmhost(customer, "login")
        assert (said["administrator"], said["defaults"]) == ("accepted", {"root": "refused"})
        (plan,) = crmhost(customer, "plan")
        assert plan["changes"] == 0
        assert plan["resources"] >= 20
    for customer in (acme, globex):
        state = customer.company.fleet.state
        kept = [path.read_text("utf-8", "replace") for path in state.rglob("*") if path.is_file()]
        asked = [json.dumps(each) for each in inspected(customer)]
        for secret in secrets(customer):
            assert not [text for text in (shown, *kept, *asked) if secret in text]


def test_every_container_is_confined(acme: Customer) -> None:
    running = [each for each in inspected(acme) if each["State"]["Running"]]
    assert len(running) == 4  # web, jobs, PostgreSQL, redis
    for each in running:
        host = each["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["Memory"] == host["MemorySwap"] > 0
        assert host["NanoCpus"] > 0
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert each["Config"]["User"].partition(":")[0] not in {"", "0", "root"}


def test_no_customer_reaches_the_other_ones_database(acme: Customer, globex: Customer) -> None:
    with connect(Reach(acme.company.engine.url)) as engine:
        seen = engine.seen(globex.contract).containers
        (name,) = (name for name, each in seen.items() if each.labels[naming.LABEL_ROLE] == "web")
        other = next(each for each in inspected(acme) if each["Name"] == f"/{naming.database(acme.contract)}")
        (joined,) = other["NetworkSettings"]["Networks"].values()
        for host, reached in (("db", True), (joined["IPAddress"], False), (naming.database(acme.contract), False)):
            code = f"import socket; socket.create_connection(({host!r}, 5432), 3)"
            argv = (f"{naming.APP_FOLDER}/bin/python", "-c", code)
            assert (engine.execute(name, argv, timeout=60).code == 0) is reached, host


def test_a_new_version_shows_the_maintenance_page_and_loses_no_acknowledged_write(acme: Customer, user: Site) -> None:
    signed_for(acme, NEW)
    with crowd(acme, user) as tally:
        told = crmhost(acme, "deploy", "--yes")
    for event in told:
        if event["type"] == "event" and event["state"] == "done" and event["phase"] in {"backup", "steps", "switch"}:
            print(event["phase"], event["subject"], f"{event['seconds']:.1f} s")  # noqa: T201 -- with `pytest -s`
    assert tally.failed == []
    assert tally.maintenance > 0
    assert tally.lost == []
    assert tally.acknowledged
    assert crmhost(acme, "plan")[0]["changes"] == 0
    assert crmhost(acme, "login")[0]["administrator"] == "accepted"


def test_going_back_loses_only_what_was_written_since(acme: Customer, user: Site) -> None:
    before = frozenset(contacts(acme))
    with crowd(acme, replace(user, mark="back")) as tally:
        crmhost(acme, "rollback", "--yes")
    assert tally.failed == []
    assert tally.maintenance > 0
    assert tally.lost == tally.acknowledged[: len(tally.lost)]  # what came before the page, and nothing after it
    assert len(tally.lost) < len(tally.acknowledged)
    signed_for(acme, OLD)
    assert crmhost(acme, "plan")[0]["changes"] == 0
    assert crmhost(acme, "login")[0]["administrator"] == "accepted"
    there = frozenset(contacts(acme))
    assert there
    assert there - frozenset(tally.acknowledged) < before


def test_its_backup_is_proven_and_destroy_leaves_nothing_but_one(acme: Customer, globex: Customer) -> None:
    crmhost(acme, "backup")
    proof = crmhost(acme, "restore", "--to", "scratch")[-1]
    assert proof["proven"]
    assert proof["login"] == "accepted"
    told = crmhost(acme, "destroy", "--yes")
    assert acme.there() == {"containers": set(), "volumes": set(), "networks": set()}
    assert not (acme.company.fleet.state / "pulumi" / acme.contract).exists()
    newest = crmhost(acme, "backup", "list")[0]["id"]
    assert newest != proof["id"]
    assert newest in str(told)
    assert crmhost(globex, "login")[0]["administrator"] == "accepted"


@contextmanager
def crowd(customer: Customer, user: Site) -> Iterator[Tally]:
    """Put load on the customer from some time before the body until some time after it."""
    with load(user, lambda: contacts(customer), RATE) as tally:
        until(lambda: tally.sent > 5 * RATE, "requests are answered", 60)
        yield tally
        after = tally.sent + 5 * RATE
        until(lambda: tally.sent > after, "requests are answered", 60)
    print(tally)  # noqa: T201 -- the counts, with `pytest -s`


def inspected(customer: Customer) -> list[dict[str, Any]]:
    """Return what Docker says of each container of the customer's."""
    with closing(customer.company.engine.client()) as client:
        return [client.api.inspect_container(name) for name in customer.there()["containers"]]


def secrets(customer: Customer) -> list[str]:
    """Return the values of all that the fleet keeps secret of the customer."""
    vault = customer.company.fleet.vault
    values = [vault.get(*key) for key in vault.names() if key[0] == customer.contract]
    assert len(values) >= 3
    return [value for value in values if value]
