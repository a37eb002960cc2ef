"""Creme as the cloud runs it: its images, on PostgreSQL with redis, from one version's schema to the next.

No driver takes part: what is proven is the recipe. Data that the old version wrote is read by the new one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crm.catalogue import find
from crm.due import due
from crmhost.door import Door
from crmhost.login import prove
from infra import images as building
from infra import naming, records, templates, users
from infra.asking import Site
from infra.components.redis import arguments
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from infra.engine.lock import lock
from infra.ready import Patience, ready
from infra.release import lock_of
from infra.settings import HostSettings
from infra.steprun import run_step
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.postgresql import Customer, customer
from tests.support.released import HOST, cloud_want, fleet_images, lay_out, start

pytestmark = [pytest.mark.slow, pytest.mark.creme, pytest.mark.timeout(3000)]
RECIPE = find("creme")
OLD, NEW = RECIPE.versions
DJANGO = {"DJANGO_SETTINGS_MODULE": "site_settings"}
ADDRESS = (
    "from creme.persons.models import Address, Contact; from creme.creme_core.models import CremeUser;"
    "user = CremeUser.objects.get(username='admin');"
)
WRITE = ADDRESS + (
    "contact = Contact.objects.create(user=user, first_name='An', last_name='Nguyễn');"
    "Address.objects.create(owner=contact, city='Hà Nội'); print('written')"
)
READ = ADDRESS + "print([(a.city, str(a.owner)) for a in Address.objects.filter(city='Hà Nội')])"
PING = "from creme.creme_core.core.job import get_queue; print('ping', get_queue().ping())"


@pytest.fixture(scope="module")
def host(engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(engine.url)) as connected:
        yield connected


@pytest.fixture(scope="module")
def acme(host: Engine, images: Images) -> Iterator[Customer]:
    with customer(host, f"t{uuid.uuid4().hex[:8]}", images.postgresql) as one:
        yield one


def image(acme: Customer, images: Images, version: str) -> str:
    """Return the version's image, built where the engine lacks it."""
    authority = os.environ.get("PIP_CERT")
    given = replace(fleet_images(images), authority=Path(authority) if authority else None)
    want = cloud_want(acme.contract, version, recipe=RECIPE)
    settings = HostSettings(acme.engine.reach, given)
    return building.build(acme.engine, RECIPE.id, version, lock_of(want), settings, lambda _: None)


def laid_out(acme: Customer, images: Images, version: str) -> Site:
    """Lay the release out, with PostgreSQL and redis beside it."""
    want = cloud_want(acme.contract, version, recipe=RECIPE, url=f"http://{HOST}")
    site = lay_out(acme, want, image(acme, images, version), images, "a" if version == OLD else "b")
    name, network = naming.redis(acme.contract), naming.network(acme.contract)
    if acme.engine.container(name) is None:
        client = acme.engine.client
        client.create_container(
            images.redis,
            command=list(arguments(64)),
            name=name,
            labels=naming.labels(acme.contract, "redis"),
            host_config=client.create_host_config(network_mode=network),
            networking_config={"EndpointsConfig": {network: client.create_endpoint_config(aliases=["redis"])}},
        )
        acme.engine.start(name)
    return site


def run_due(site: Site, *only: str) -> list[str]:
    """Run what is due, or of that only these, and return the steps' names."""
    found = due(RECIPE, records.read(site.engine, site.contract), site.placed.release)
    steps = [step for step in found.steps if step.name in only or not only]
    with lock(site.engine, site.contract, "deploy", "test", image=site.placed.image) as held:
        for step in steps:
            run_step(site, held, step)
    return [step.name for step in steps]


def kept(site: Site, images: Images) -> templates.Template | None:
    """Return the database as a template, from a volume of its own."""
    volume, fleet = f"crmhost-{site.contract}-templates", fleet_images(images)
    site.engine.make_volume(volume, naming.labels(site.contract, "templates"))
    assert templates.keep(site.engine, site.contract, site.want, fleet, volume=volume)
    return templates.find(site.engine, templates.key(site.want, fleet), volume=volume)


def serve(site: Site) -> list[str]:
    """Start the release and prove that the administrator gets in, and nobody else."""
    names = [start(site, name) for name in ("web", "jobs")]
    ready(site, Patience(candidate=300))
    inspected = site.engine.client.inspect_container(names[0])["NetworkSettings"]["Networks"]
    door = Door((inspected[naming.network(site.contract)]["IPAddress"], naming.WEB_PORT))
    proof = prove(RECIPE, site.want.slots["url"], "admin", site.want.secrets["admin-password"], door=door)
    assert proof.holds, proof.text
    assert users.count(site) == 1
    return names


def shell(site: Site, code: str) -> str:
    """Run code in the web process's container, as Creme."""
    name = naming.process(site.contract, site.placed.tag, "web")
    argv = (*site.placed.health[:1], "-W", "ignore", "-c", f"import django; django.setup(); {code}")
    return site.engine.execute(name, argv, env=DJANGO, timeout=120).text


def test_creme_is_installed_on_postgresql_and_upgraded_with_its_data(acme: Customer, images: Images) -> None:
    old = laid_out(acme, images, OLD)
    assert run_due(old, "migrate", "populate") == ["migrate", "populate"]
    templates.begin(acme.engine, acme.contract, kept(old, images))
    assert run_due(old) == ["media", "check", "admin"]
    names = serve(old)
    assert "written" in shell(old, WRITE)
    assert "ping None" in shell(old, PING)  # None is well: web and jobs meet in redis
    for name in names:
        acme.engine.stop(name)

    new = laid_out(acme, images, NEW)
    assert run_due(new) == ["upgrade-tables", "upgrade-data", "media", "check"]
    serve(new)
    assert "[('Hà Nội', 'An Nguyễn')]" in shell(new, READ)
    assert "ping None" in shell(new, PING)
    assert records.read(acme.engine, acme.contract).schema == ("creme", NEW, "2.8")

    acme.engine.start(names[0])  # why the old version is never let loose on the new schema
    ready(old, Patience(candidate=300))
    assert "IntegrityError" in shell(old, WRITE)
