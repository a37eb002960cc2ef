"""The ingress of the tests' Docker engine: one for all test processes, as a host has one for all its customers.

The ports are chosen once; whoever comes later reads them from the container. The stack's state lies in the user's
cache, so that the next run takes the same ingress over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from crm.errors import HostError
from infra import hoststack, naming, sites
from infra.engine.connect import Engine as Host
from infra.engine.connect import Reach, connect
from infra.ingress.configuration import HOST, HTTP, HTTPS, ROOT_CERTIFICATE
from infra.runner import Access
from infra.settings import HostSettings
from infra.settings import Images as HostImages
from infra.settings import Ingress as HostIngress
from infra.toolchain import Toolchain
from tests.support.engine import RealEngine
from tests.support.exclusive import cache, exclusively
from tests.support.images import Images
from tests.support.until import until

PASSPHRASE = "a passphrase of the tests' host"  # noqa: S105 -- it protects a test's state
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SharedIngress:
    """An ingress that is up. authority: PEM. settings, access: how its stack is run."""

    settings: HostSettings
    access: Access
    authority: str

    @property
    def address(self) -> tuple[str, int]:
        """Return where it is reached over TLS."""
        return LOOPBACK, self.settings.ingress.https


@pytest.fixture(scope="session")
def ingress(engine: RealEngine, images: Images, toolchain: Toolchain, provider_path: Path) -> SharedIngress:
    """Return the engine's ingress, made by the real host stack where it is not there."""
    environment = {**os.environ, "PATH": f"{provider_path}{os.pathsep}{os.environ['PATH']}"}
    return bring(engine.url, images, toolchain.folder, environment)


def bring(url: str, images: Images, pulumi: Path, environment: Mapping[str, str]) -> SharedIngress:
    """Make the ingress what it should be, one process at a time."""
    folder = cache() / "test-hosts" / hashlib.sha256(url.encode()).hexdigest()[:12]
    access = access_in(folder, url, pulumi, environment)
    with exclusively("test-ingress"), connect(Reach(url)) as host:
        settings = settings_of(url, images, *ports(host))
        if hoststack.differs(host, settings):
            if not (folder / "state" / ".pulumi").exists():
                sweep(host)
            hoststack.ensure(host, settings, access, lambda _: None)
        until(lambda: host.get(naming.INGRESS, ROOT_CERTIFICATE), "the ingress's authority")
        return SharedIngress(settings, access, sites.authority(host))


def access_in(folder: Path, url: str, pulumi: Path, environment: Mapping[str, str]) -> Access:
    """Return how the stack of a host is run whose state lies in the folder."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    stack = naming.host_stack(url)
    return Access(folder / "pulumi" / stack, f"file://{folder}/state", PASSPHRASE, pulumi, environment)


def settings_of(url: str, images: Images, http: int, https: int) -> HostSettings:
    """Return the settings of a host whose certificates are its own."""
    return HostSettings(
        reach=Reach(url),
        images=HostImages(images.python, images.postgresql, images.redis, images.caddy),
        ingress=HostIngress("internal", http=http, https=https, bind=LOOPBACK, address=(LOOPBACK, https)),
    )


def ports(host: Host) -> tuple[int, int]:
    """Return the ports of the ingress that is there, else two that are free."""
    there = host.container(naming.INGRESS)
    if there is not None and there.ports:
        return there.ports[f"{HTTP}/tcp"][0][1], there.ports[f"{HTTPS}/tcp"][0][1]
    with contextlib.ExitStack() as probes:
        found = [probes.enter_context(socket.create_server((LOOPBACK, 0))).getsockname()[1] for _ in range(2)]
    return found[0], found[1]


def sweep(host: Host) -> None:
    """Remove what is left of an ingress whose state is gone."""
    left = host.seen(HOST)
    for name in left.containers:
        host.remove(name)
    for name in left.volumes:
        host.remove_volume(name)
    for network in host.client.networks(names=[naming.EDGE]):
        with contextlib.suppress(HostError):
            host.remove_network(network["Id"])
