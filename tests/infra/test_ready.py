"""The gate: a candidate becomes ready, or the error says why it did not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from crm.due import FIRST
from crm.errors import GateFailed
from crm.steps import ordered
from infra import naming, users
from infra.asking import Site
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from infra.engine.lock import lock
from infra.ready import Patience, ready
from infra.steprun import run_step
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.postgresql import Customer, customer
from tests.support.released import cloud_want, lay_out, notebook_image, start

pytestmark = pytest.mark.slow
SHORT = Patience(candidate=1.0)


@pytest.fixture(scope="module")
def host(engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(engine.url)) as connected:
        yield connected


@pytest.fixture(scope="module")
def acme(host: Engine, images: Images) -> Iterator[Customer]:
    with customer(host, f"t{uuid.uuid4().hex[:8]}", images.postgresql) as one:
        yield one


@pytest.fixture(scope="module")
def installed(acme: Customer, engine: RealEngine, images: Images) -> Site:
    """Version 1.0, with every step done."""
    site = lay_out(acme, cloud_want(acme.contract), notebook_image(engine, images), images)
    with lock(site.engine, site.contract, "deploy", "test", image=site.placed.image) as held:
        for step in ordered(site.want.recipe, FIRST):
            run_step(site, held, step)
    return site


def beside(acme: Customer, installed: Site, images: Images, version: str) -> Site:
    return lay_out(acme, cloud_want(acme.contract, version), installed.placed.image, images, "b")


@pytest.fixture
def web(installed: Site) -> Iterator[str]:
    name = start(installed)
    yield name
    installed.engine.remove(name)


def test_a_release_is_ready_once_it_reaches_its_database(installed: Site, web: str) -> None:
    assert ready(installed, Patience()) < 60
    assert installed.engine.execute(web, installed.placed.health).text.startswith("200 ready 1.0, 1 accounts")
    assert users.count(installed) == 1


def test_one_that_answers_wrong_is_given_up_with_its_answer_and_its_log(
    acme: Customer, installed: Site, images: Images
) -> None:
    broken = beside(acme, installed, images, "broken")
    name = start(broken)
    with pytest.raises(GateFailed) as failure:
        ready(broken, Patience(candidate=5.0))
    assert "did not become ready: after" in failure.value.what
    assert "'500 not ready broken, 1 accounts', not '^200 ready'" in failure.value.what
    assert "GET /ready" in failure.value.what
    installed.engine.remove(name)


@pytest.mark.usefixtures("web")
def test_one_without_its_database_is_not_ready(installed: Site) -> None:
    ready(installed, Patience())
    database = naming.database(installed.contract)
    installed.engine.stop(database)
    with pytest.raises(GateFailed, match=r"500 the database|timed out"):  # Docker looks for the name elsewhere, too
        ready(installed, SHORT)
    assert users.count(installed) is None
    installed.engine.start(database)
    ready(installed, Patience())


def test_one_that_cannot_be_found_by_the_ingresss_name_is_not_ready(installed: Site, web: str) -> None:
    ready(installed, Patience())
    network = naming.network(installed.contract)
    installed.engine.disconnect_network(web, network)
    installed.engine.connect_network(web, network)
    with pytest.raises(GateFailed, match="no answer: "):
        ready(installed, SHORT)


def test_one_that_has_ended_or_was_never_there_is_given_up(installed: Site) -> None:
    with pytest.raises(GateFailed, match="there is no such container"):
        ready(installed, Patience())
    name = start(installed)
    installed.engine.stop(name, 1)
    with pytest.raises(GateFailed, match=r"its process is exited \(exit \d+\)"):
        ready(installed, SHORT)
    installed.engine.remove(name)


def test_users_are_unknown_before_there_is_a_table(acme: Customer, installed: Site) -> None:
    acme.sql("ALTER TABLE account RENAME TO hidden")
    assert users.count(installed) is None
    acme.sql("ALTER TABLE hidden RENAME TO account")
