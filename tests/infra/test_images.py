"""A CRM's image: built once from hashed requirements, small, not root, found again; and what is said when it fails."""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from crm.errors import HostError
from crm.plan import Event
from crm.recipe import PipLock
from infra import images as building
from infra.engine.connect import Engine as Host
from infra.engine.connect import Reach, connect
from infra.engine.run import OneShot
from infra.settings import HostSettings
from infra.settings import Images as HostImages
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.registry import Registry, registry

__all__ = ["registry"]
pytestmark = pytest.mark.slow
RECIPE, VERSION = "imagetest", "1.0"
PACKAGE = (
    "six==1.17.0"
    " --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
    " --hash=sha256:ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81\n"
)
ANY_PYTHON = ((3, 9), (3, 99))


@pytest.fixture
def host(engine: RealEngine) -> Iterator[Host]:
    with connect(Reach(engine.url)) as connected:
        yield connected
        for image in connected.client.images(filters={"reference": f"*/{RECIPE}"}):
            for name in image["RepoTags"]:
                connected.client.remove_image(name, force=True)


@pytest.fixture
def settings(engine: RealEngine, images: Images) -> HostSettings:
    authority = os.environ.get("PIP_CERT")
    given = HostImages(images.python, images.postgresql, images.redis, images.caddy)
    return HostSettings(Reach(engine.url), replace(given, authority=Path(authority) if authority else None))


@pytest.fixture
def lock() -> PipLock:
    """Return requirements that nobody has built an image of."""
    return PipLock(f"# {uuid.uuid4()}\n{PACKAGE}", ANY_PYTHON)


def silent(_: Event) -> None:
    pass


def test_an_image_is_built_once_whoever_asks(host: Host, settings: HostSettings, lock: PipLock) -> None:
    said: list[Event] = []
    assert building.find(host, RECIPE, VERSION, lock, settings.images) is None
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(building.build, host, RECIPE, VERSION, lock, settings, said.append) for _ in range(3)]
        (made,) = {each.result() for each in asked}
    assert building.find(host, RECIPE, VERSION, lock, settings.images) == made
    assert [event.state for event in said if event.state != "note"] == ["begin", "done"]
    look_into(host, made)


def look_into(host: Host, image: str) -> None:
    """Look at what the image holds: its user, its packages, compiled, and nothing of how it was built."""
    assert host.client.image(image)["Config"]["User"] == "10001:10001"
    script = "id -un; python -c 'import six, sys; print(six.__cached__, sys.prefix)'; ls /build /opt/crm/bin/pip 2>&1"
    said = host.run(OneShot(f"crmhost-{uuid.uuid4().hex[:8]}", image, ("sh", "-c", script), {}))
    user, cached, prefix, *gone = said.text.split(None, 3)
    assert (user, prefix) == ("crm", "/opt/crm")
    assert gone[0].count("No such file") == 2
    assert host.run(OneShot(f"crmhost-{uuid.uuid4().hex[:8]}", image, ("test", "-f", cached), {})).code == 0


def test_the_name_covers_all_that_it_is_made_of(settings: HostSettings) -> None:
    one = PipLock("a", ANY_PYTHON)
    names = {
        building.name_of(RECIPE, VERSION, each, replace(settings.images, python=base))
        for each in (one, PipLock("b", ANY_PYTHON), PipLock("a", ANY_PYTHON, "c"), PipLock("a", ((3, 10), (3, 15))))
        for base in ("sha256:1", "sha256:2")
    }
    assert len(names) == 8
    name = building.name_of(RECIPE, VERSION, one, settings.images)
    assert name == building.name_of(RECIPE, VERSION, one, replace(settings.images, authority=Path("x"), network="host"))


@pytest.mark.parametrize(
    ("text", "python", "told"),
    [
        (
            PACKAGE.replace("sha256:4", "sha256:5").replace("sha256:f", "sha256:e"),
            ANY_PYTHON,
            "DO NOT MATCH THE HASHES",
        ),
        (PACKAGE, ((3, 2), (3, 3)), "the CRM needs 3.2 or newer, below 3.3"),
    ],
    ids=["another package than the pinned one", "a base with another Python"],
)
def test_a_build_that_fails_tells_how(
    host: Host, settings: HostSettings, text: str, python: tuple[tuple[int, int], tuple[int, int]], told: str
) -> None:
    lock = PipLock(f"# {uuid.uuid4()}\n{text}", python)
    with pytest.raises(HostError) as caught:
        building.build(host, RECIPE, VERSION, lock, settings, silent)
    assert "the image cannot be built" in caught.value.what
    assert told.lower() in caught.value.what.lower()
    assert "\x1b" not in str(caught.value)
    assert building.find(host, RECIPE, VERSION, lock, settings.images) is None


def test_a_base_that_is_not_there(host: Host, settings: HostSettings, lock: PipLock) -> None:
    missing = replace(settings, images=replace(settings.images, python="no.such/python@sha256:" + "0" * 64))
    with pytest.raises(HostError, match="the host has no such image and cannot fetch it"):
        building.build(host, RECIPE, VERSION, lock, missing, silent)


def test_a_registry_saves_the_next_host_the_build(
    host: Host, settings: HostSettings, lock: PipLock, registry: Registry
) -> None:
    with_registry = replace(settings, registry=registry.url)
    made = building.build(host, RECIPE, VERSION, lock, with_registry, silent)
    name = building.name_of(RECIPE, VERSION, lock, settings.images)
    assert name.rpartition(":")[2] in registry.tags(RECIPE)
    for tag in host.client.image(made)["RepoTags"]:
        host.client.remove_image(tag, force=True)
    said: list[Event] = []
    assert building.build(host, RECIPE, VERSION, lock, with_registry, said.append) == made
    assert not [event for event in said if event.state == "note"]


def test_a_registry_that_refuses(host: Host, settings: HostSettings, lock: PipLock) -> None:
    with pytest.raises(HostError, match=r"127\.0\.0\.1:1/crm"):
        building.build(host, RECIPE, VERSION, lock, replace(settings, registry="127.0.0.1:1/crm"), silent)
