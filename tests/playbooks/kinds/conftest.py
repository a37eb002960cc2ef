"""A LAN server for all tests of a module, and its lock held as root."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from playbooks.converge import apply, changes
from playbooks.kind import Resource
from playbooks.observe import observe
from playbooks.session import Session, lock
from tests.support.engine import RealEngine
from tests.support.lanhost import LanHost, LanImages, serving
from tests.support.lannet import LanNetwork


@pytest.fixture(scope="module")
def server(
    engine: RealEngine,
    lan_images: LanImages,
    lan_network: LanNetwork,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[LanHost]:
    """Return a server with PostgreSQL, Redis and nginx, which the tests of a module spoil and mend in turn."""
    folder = tmp_path_factory.mktemp("server")
    name = f"lan-{secrets.token_hex(3)}-crmhost-{request.module.__name__.rpartition('.')[2].replace('_', '-')}"
    with closing(engine.client()) as client, serving(client, lan_images.stocked, folder, name, lan_network, {}) as host:
        yield host


@pytest.fixture
def held(server: LanHost) -> Iterator[Session]:
    """Return the lock of a contract on that server, held as root."""
    with server.root() as host, lock(host, "acme", "deploy", "ann") as session:
        yield session


def planned(session: Session, *resources: Resource) -> list[str]:
    """Return what would change, as `ACTION WHY`."""
    return [f"{change.action} {change.why}" for change in changes(resources, seen(session, resources))]


def converge(session: Session, *resources: Resource) -> None:
    """Make them right, twice over from what was seen at first; `apply` sees itself that nothing differs then."""
    before = seen(session, resources)
    apply(session, resources, before, lambda _: None)
    apply(session, resources, before, lambda _: None)


def seen(session: Session, resources: Sequence[Resource]) -> dict[str, object]:
    """Return what the host answers."""
    return dict(observe(session.host, resources).seen)
