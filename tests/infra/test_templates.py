"""The next customer begins with what the first one's migrations made, and with nothing else of him."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from crm.due import due
from crm.errors import HostError
from infra import naming, records, steprun, templates
from infra.asking import Site
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from infra.engine.files import Volume
from infra.engine.lock import lock
from infra.settings import Images as FleetImages
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.postgresql import Customer, customer
from tests.support.released import cloud_want, fleet_images, lay_out, notebook_image
from tests.support.smallapp.recipe import RECIPE

IMAGES = FleetImages("python", "postgresql:15", "redis", "caddy")


def test_a_template_is_named_by_all_that_makes_another_database() -> None:
    want = cloud_want("acme")
    assert templates.key(want, IMAGES) == templates.key(cloud_want("globex", url="https://x.example"), IMAGES)
    assert templates.key(want, IMAGES) == templates.key(want, replace(IMAGES, python="other"))
    others = [
        templates.key(cloud_want("acme", language="fa"), IMAGES),
        templates.key(cloud_want("acme", "2.0"), IMAGES),
        templates.key(want, replace(IMAGES, postgresql="postgresql:16")),
    ]
    assert len({templates.key(want, IMAGES), *others}) == 4


@pytest.mark.parametrize("torn", [b"", b"crmhost-template \n", templates.seal(b"PGDMP whole")[:-1], b"PGDMP whole"])
def test_what_is_not_whole_is_no_template(torn: bytes) -> None:
    assert templates.unseal(templates.seal(b"PGDMP\nwhole")) == b"PGDMP\nwhole"
    assert templates.unseal(torn) is None


@pytest.fixture(scope="module")
def host(engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(engine.url)) as connected:
        yield connected


@pytest.fixture(scope="module")
def two(host: Engine, images: Images) -> Iterator[tuple[Customer, Customer]]:
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(customer(host, f"t{uuid.uuid4().hex[:8]}", images.postgresql)) for _ in range(2)
        )
        yield first, second


@pytest.fixture
def volume(two: tuple[Customer, Customer]) -> str:
    """A volume for templates, which goes with the first customer."""
    name = f"crmhost-{two[0].contract}-templates"
    two[0].engine.make_volume(name, naming.labels(two[0].contract, "templates"))
    return name


def run(site: Site, *phases: str) -> None:
    with lock(site.engine, site.contract, "deploy", "test", image=site.placed.image) as held:
        for step in due(site.want.recipe, records.read(site.engine, site.contract), site.placed.release).steps:
            if step.phase in phases:
                steprun.run_step(site, held, step)


@pytest.mark.slow
def test_the_second_customer_begins_with_the_firsts_tables(
    two: tuple[Customer, Customer], volume: str, engine: RealEngine, images: Images
) -> None:
    image, fleet = notebook_image(engine, images), fleet_images(images)
    first, second = (lay_out(each, cloud_want(each.contract), image, images) for each in two)
    name = templates.key(first.want, fleet)
    host = first.engine

    assert templates.find(host, name, volume=volume) is None
    run(first, "initialise")
    assert templates.keep(host, first.contract, first.want, fleet, volume=volume)
    assert not templates.keep(host, first.contract, first.want, fleet, volume=volume)
    run(first, "admin")
    two[0].sql("INSERT INTO note (text) VALUES ('of the first')")

    template = templates.find(host, name, volume=volume)
    assert template is not None
    two[1].sql("CREATE TABLE in_the_way (x int)")
    for _ in range(2):  # a kill in between is mended by the same again
        templates.begin(host, second.contract, template)
    found = records.read(host, second.contract)
    assert found.steps == {"schema": "finished", "seed": "finished"}
    assert found.schema == ("smallapp", "1.0", "1")
    assert [step.name for step in due(RECIPE, found, second.placed.release).steps] == ["derive", "admin", "register"]
    run(second, "initialise", "admin")
    assert two[1].sql("SELECT name FROM account; SELECT count(*) FROM note") == "admin\n0"
    assert two[1].sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == "crm"


@pytest.mark.slow
def test_a_database_with_a_customers_secret_is_never_kept(
    two: tuple[Customer, Customer], volume: str, engine: RealEngine, images: Images
) -> None:
    templates.begin(two[0].engine, two[0].contract, None)
    want = cloud_want(two[0].contract, language="fa")
    site = lay_out(two[0], want, notebook_image(engine, images), images)
    records.mark(site.engine, site.contract, "admin", "started", site.placed.release)
    assert not templates.keep(site.engine, site.contract, want, fleet_images(images), volume=volume)
    assert templates.find(site.engine, templates.key(want, fleet_images(images)), volume=volume) is None


@pytest.mark.slow
def test_a_torn_template_is_passed_over_and_one_that_is_no_dump_is_an_error(
    two: tuple[Customer, Customer], volume: str
) -> None:
    host, contract = two[0].engine, two[0].contract
    host.put(Volume(volume), "/", {"torn.dump": templates.seal(b"PGDMP x")[:-1]})
    assert templates.find(host, "torn", volume=volume) is None
    templates.begin(host, contract, None)
    two[0].sql("CREATE TABLE theirs (x int)")
    with pytest.raises(HostError):
        templates.begin(host, contract, templates.Template("bad", b"PGDMP x"))
    assert records.read(host, contract).others == 1  # nothing has changed
