"""Secrets that are changed in the fleet of a customer on a Docker host: planned, brought, and in use everywhere.

The tests of this file are one walk, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm.errors import Refused
from infra import naming
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from tests.support.cloud import Company, Customer

pytestmark = [pytest.mark.slow, pytest.mark.cloud]


@pytest.fixture(scope="module")
def acme(hosting: Company) -> Iterator[Customer]:
    customer = hosting.customer("rekeyed")
    customer.sweep()
    customer.deploy("1.0")
    yield customer
    customer.sweep()


@pytest.fixture
def docker(hosting: Company) -> Iterator[Engine]:
    with connect(Reach(hosting.engine.url)) as engine:
        yield engine


def web(customer: Customer) -> str:
    (name,) = (name for name in customer.there()["containers"] if name.endswith("-web"))
    return name


def knows(docker: Engine, name: str, file: str) -> str:
    """Return what a running container reads in a file of its release."""
    output = docker.execute(name, ("cat", f"{naming.RELEASE_FOLDER}/{file}"), timeout=30)
    assert output.code == 0, output.text
    return output.said.strip()


def lets_in(docker: Engine, password: str) -> bool:
    """Tell whether PostgreSQL takes the CRM's role with this password, over its network."""
    argv = ("psql", "-XAtqc", "SELECT 1", "-h", "db", "-U", naming.DATABASE_USER, naming.DATABASE_NAME)
    name = naming.database("rekeyed")
    return docker.execute(name, argv, timeout=30, env={"PGPASSWORD": password, "PGHOST": "db"}).code == 0


def test_a_changed_secret_is_planned_without_a_word_of_it_and_brought(acme: Customer, docker: Engine) -> None:
    release, container = acme.plan("1.0").release, web(acme)
    acme.company.fleet.vault.set("rekeyed", "secret-key", "a key of another kind")
    plan = acme.plan("1.0")
    assert plan.release == release
    found = {change.resource: change for change in plan.changes}
    assert found["secret:secret-key"].disrupts == "restart"
    assert found[f"container:{container}"].action == "replace"
    assert f"container:{naming.database('rekeyed')}" not in found
    assert "a key of" not in repr(plan)
    assert acme.deploy("1.0").did == "deployed"
    assert acme.plan("1.0").changes == ()
    assert not acme.plan("1.0", refresh=True).changes
    assert knows(docker, web(acme), "secret-key") == "a key of another kind"
    assert acme.get("/ready").startswith("200 ready 1.0")


def test_one_that_the_fleet_has_lost_is_not_made_up(acme: Customer) -> None:
    vault = acme.company.fleet.vault
    stored = vault.folder / "rekeyed" / "secret-key.age"
    kept = stored.read_bytes()
    stored.unlink()
    with pytest.raises(Refused, match="made with secrets that this fleet lacks: secret-key; nothing was done"):
        acme.deploy("1.0")
    assert not stored.exists()
    stored.write_bytes(kept)
    with acme.target("1.0") as target:
        lacking = frozenset({"secret-key", "database-password", "of-a-newer-recipe"})
        assert target.driver.made_with(target.want, lacking) == {"secret-key", "database-password"}


def test_the_database_gets_its_new_password_and_the_release_knows_it(acme: Customer, docker: Engine) -> None:
    before = acme.company.fleet.vault.get("rekeyed", "database-password") or ""
    acme.write("written before")
    acme.company.fleet.vault.set("rekeyed", "database-password", "another password")
    assert acme.plan("1.0").changes[0].resource == "secret:database-password"
    assert lets_in(docker, before)
    assert acme.deploy("1.0").did == "deployed"
    assert acme.plan("1.0").changes == ()
    assert (lets_in(docker, before), lets_in(docker, "another password")) == (False, True)
    acme.write("written after")
    assert acme.ask("select text from note order by id") == ["written before", "written after"]


def test_with_a_new_release_the_password_comes_once_the_old_one_is_gone(acme: Customer, docker: Engine) -> None:
    acme.company.fleet.vault.set("rekeyed", "database-password", "a third password")
    assert "secret:database-password" in {change.resource for change in acme.plan("1.1").changes}
    seen: list[bool] = []

    def look(event: object) -> None:
        if "switch" in repr(event) and "done" in repr(event):
            seen.append(lets_in(docker, "another password"))

    assert acme.deploy("1.1", look).did == "deployed"
    assert seen[:1] == [True], "what served before the switch must be able to go on"
    assert acme.plan("1.1").changes == ()
    assert lets_in(docker, "a third password")
    assert not lets_in(docker, "another password")
    acme.write("written by the next")


def test_going_back_gives_the_old_release_the_password_of_today(acme: Customer, docker: Engine) -> None:
    assert acme.rollback("1.1").did == "rolled back"
    assert acme.plan("1.0").changes == ()
    assert knows(docker, web(acme), "database-password") == "a third password"
    assert acme.get("/ready").startswith("200 ready 1.0")
    acme.write("written after going back")
