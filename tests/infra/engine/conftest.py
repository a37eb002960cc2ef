"""A connected engine, and names that belong to one test."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from infra import naming
from infra.engine.connect import Engine, Reach, connect
from infra.engine.run import OneShot
from tests.support.engine import RealEngine, engine
from tests.support.images import Images, images

__all__ = ["engine", "images"]


@dataclass(frozen=True)
class Case:
    """A contract that exists for one test, on a connected engine."""

    host: Engine
    contract: str
    image: str

    def one_shot(self, *argv: str, name: str = "ask", **more: object) -> OneShot:
        labels = naming.labels(self.contract, name)
        return OneShot(f"crmhost-{self.contract}-{name}", self.image, argv, labels, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def host(engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(engine.url)) as connected:
        yield connected


@pytest.fixture
def case(host: Engine, images: Images) -> Iterator[Case]:
    made = Case(host, f"t{uuid.uuid4().hex[:8]}", images.python)
    yield made
    remove_all(host, made.contract)


def remove_all(host: Engine, contract: str) -> None:
    left = host.seen(contract)
    for container in left.containers:
        host.remove(container)
    for volume in left.volumes:
        host.remove_volume(volume)
    for network in left.networks:
        host.remove_network(network)
