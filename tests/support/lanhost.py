"""Real LAN servers for tests: containers with systemd, SSH and sudo, reached at their own addresses.

`python -m tests.support.lanhost` builds their images ahead of the tests.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container

from playbooks.become import Become, no_password
from playbooks.connect import Address, Stop, connect_through
from playbooks.host import Host
from playbooks.keys import Phrase, Ring
from tests.support.engine import RealEngine, start
from tests.support.exclusive import exclusively
from tests.support.images import built, debian
from tests.support.lannet import OWNER, LanNetwork, networked, owner, sweep
from tests.support.sshd import make_key
from tests.support.until import until

PASSWORD = r"""it's $a "long" pass\\phrase é"""  # noqa: S105 -- of an account of a container that lives for one test
"""Of the account `asks`, as tools/images/lan.dockerfile sets it."""
PLAIN_PASSWORD = "plain"  # noqa: S105 -- the same
CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE")
TMPFS = {"/run": "exec", "/run/lock": "", "/tmp": "exec", "/sys/fs/cgroup": ""}  # noqa: S108 -- of the container
HOMES = ("/root", "/home/deploy", "/home/asks", "/home/plain")
"""Of its accounts, in the order of their numbers: 0, then 1000 and on."""


@dataclass(frozen=True, slots=True)
class LanImages:
    """The ids of the images. stocked: with PostgreSQL, Redis and nginx installed, as a deploy leaves them.

    acme: with certbot too, and with Debian's ACME authority for tests.
    """

    bare: str
    stocked: str
    acme: str


@dataclass(frozen=True, slots=True)
class LanHost:
    """A server that is up. address: its own; key: the private key that all its accounts accept."""

    container: Container
    address: str
    key: Path
    public: str
    known_hosts: Path

    def stop(self, user: str) -> Stop:
        """Return the way to one of its accounts, without any other host."""
        return Stop.only(Address(user, self.address), self.key)

    def reach(self, user: str = "deploy", *, become: Become | None = None, timeout: float = 15.0) -> Host:
        """Log in; become: work as root from then on."""
        way = (self.stop(user),)
        return connect_through(
            way, self.known_hosts, ring=Ring(), accept=lambda _, __: False, timeout=timeout, become=become
        )

    def root(self, user: str = "deploy") -> Host:
        """Log in and work as root; `asks` with its password."""
        return self.reach(user, become=Become(asked(PASSWORD)) if user == "asks" else Become(no_password))

    def run(self, script: str, *, check: bool = True) -> str:
        """Run a script as root beside SSH, to look and to break, and return what it printed, both streams."""
        code, output = self.container.exec_run(["sh", "-c", script], environment={"LC_ALL": "C.UTF-8"})
        assert isinstance(output, bytes)
        text = output.decode("utf-8", "replace")
        if check and code != 0:
            raise AssertionError(f"{script!r} ended with {code} on the test host: {text}")
        return text

    def restart(self) -> None:
        """Reboot it and wait until SSH answers; what is below /run and /tmp is gone then."""
        self.container.restart(timeout=10)
        _await_units(self.container)


def asked(password: str, origin: str = "the test") -> Callable[[str], Phrase | None]:
    """Return what knows this password for sudo on every host."""
    return lambda _host: Phrase(origin, password)


@dataclass(frozen=True, slots=True)
class LanHosts:
    """Makes servers, which are removed when the test ends."""

    client: docker.DockerClient
    images: LanImages
    network: LanNetwork
    folder: Path
    prefix: str
    stack: ExitStack
    made: list[LanHost] = field(default_factory=list)

    def __call__(self, image: str | None = None, *, network: LanNetwork | None = None, **more: object) -> LanHost:
        """Return a fresh server that answers. image: the stocked one by default; more: of `containers.create`."""
        number = len(self.made) + 1
        folder = self.folder / f"lan{number}"
        name = f"{self.prefix}-{number}"
        host = self.stack.enter_context(
            serving(self.client, image or self.images.stocked, folder, name, network or self.network, more or {})
        )
        self.made.append(host)
        return host


def bring(engine: RealEngine) -> LanImages:
    """Return the images, after building those that the engine lacks or that were made from something else."""
    with exclusively("test-images"), closing(engine.client()) as client:
        bare = built(client, "lan", "crmhost-test/lan:bookworm", debian(client))
        stocked = built(client, "lan-stocked", "crmhost-test/lan:stocked", bare)
        return LanImages(bare, stocked, built(client, "lan-acme", "crmhost-test/lan:acme", stocked))


@contextmanager
def serving(
    client: docker.DockerClient,
    image: str,
    folder: Path,
    name: str,
    network: LanNetwork,
    more: Mapping[str, Any],
) -> Iterator[LanHost]:
    """Run a server until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    for key in ("host", "client"):
        if not (folder / key).exists():
            make_key(folder / key)
    address = network.address()
    options: dict[str, Any] = {
        "name": name,
        "hostname": name.rpartition("-crmhost-")[2],
        "cap_add": list(CAPABILITIES),
        "tmpfs": TMPFS,
        "cgroupns": "private",
        "labels": {OWNER: owner()},
        "network": network.network.name,
        "networking_config": {network.network.name: client.api.create_endpoint_config(ipv4_address=address)},
        **more,
    }
    container = client.containers.create(image, **options)
    try:
        container.put_archive("/", _keys(folder))
        container.start()
        _await_units(container)
        public = " ".join((folder / "host.pub").read_text().split()[:2])
        known = folder / "known_hosts"
        known.write_text(f"{address} {public}\n")
        yield LanHost(container, address, folder / "client", public, known)
    finally:
        with suppress(NotFound):
            container.remove(force=True, v=True)


def _keys(folder: Path) -> bytes:
    """Return a tar of the server's host key and of what its accounts accept."""
    sink = io.BytesIO()
    accepted = (folder / "client.pub").read_bytes()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, mode in (("host", 0o600), ("host.pub", 0o644)):
            path = "etc/ssh/ssh_host_ed25519_key" + name.removeprefix("host")
            _add(archive, path, (folder / name).read_bytes(), mode)
        for number, home in enumerate(HOMES):
            uid = 999 + number if number else 0
            _add(archive, f"{home[1:]}/.ssh", None, 0o700, uid)
            _add(archive, f"{home[1:]}/.ssh/authorized_keys", accepted, 0o600, uid)
        authority = os.environ.get("PIP_CERT")
        if authority:  # packages are fetched over TLS that is inspected on the way; so they are from there
            _add(archive, "etc/ssl/authority.pem", Path(authority).read_bytes(), 0o644)
            _add(archive, "etc/pip.conf", b"[global]\ncert = /etc/ssl/authority.pem\n", 0o644)
    return sink.getvalue()


def _add(archive: tarfile.TarFile, path: str, content: bytes | None, mode: int, uid: int = 0) -> None:
    entry = tarfile.TarInfo(path)
    entry.mode, entry.uid, entry.gid = mode, uid, uid
    entry.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    entry.size = len(content or b"")
    archive.addfile(entry, io.BytesIO(content or b""))


def _await_units(container: Container) -> None:
    """Wait until all that it starts is up, SSH among it."""

    def is_up() -> bool:
        container.reload()
        if container.status == "exited":
            raise AssertionError(f"the test host ended: {container.logs(tail=20).decode(errors='replace')}")
        said = container.exec_run(["timeout", "60", "systemctl", "is-system-running", "--wait"]).output
        assert isinstance(said, bytes)
        return said.strip() in (b"running", b"degraded")

    until(is_up, f"the units of {container.name}", 120)


@pytest.fixture(scope="session")
def lan_images(engine: RealEngine) -> LanImages:
    """Return the ids of the images of LAN servers on the engine."""
    with closing(engine.client()) as client:
        sweep(client)
    return bring(engine)


@pytest.fixture(scope="session")
def lan_network(engine: RealEngine, lan_images: LanImages) -> Iterator[LanNetwork]:  # noqa: ARG001 -- they sweep first
    """Return the network of this process's servers."""
    with closing(engine.client()) as client, networked(client) as network:
        yield network


@pytest.fixture
def lan_hosts(
    engine: RealEngine, lan_images: LanImages, lan_network: LanNetwork, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[LanHosts]:
    """Return what makes servers."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:30]
    with closing(engine.client()) as client, ExitStack() as stack:
        yield LanHosts(client, lan_images, lan_network, tmp_path, f"lan-{secrets.token_hex(3)}-crmhost-{test}", stack)


@pytest.fixture
def lan(lan_hosts: LanHosts) -> LanHost:
    """Return a server with PostgreSQL, Redis and nginx installed."""
    return lan_hosts()


@pytest.fixture
def bare_lan(lan_hosts: LanHosts) -> LanHost:
    """Return a server with SSH and sudo alone."""
    return lan_hosts(lan_hosts.images.bare)


if __name__ == "__main__":
    bring(start())
