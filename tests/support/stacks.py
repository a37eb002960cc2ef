"""Customers' stacks for tests: a release of ten lines on a real engine, and everything of it removed afterwards."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import docker
import pytest

from crm.plan import Event, Release
from infra import naming
from infra.backend import StateFiles, files_of
from infra.engine.reach import Reach
from infra.rollout import PASSWORD, SUPERUSER_PASSWORD, Limits, Placed, Rollout, Runs, Service, Slot, UploadFile
from infra.settings import HostSettings
from infra.settings import Images as HostImages
from infra.stack import Access, Stack
from infra.toolchain import Toolchain
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.ingress import SharedIngress

PASSPHRASE = "a passphrase that nobody thought up: 8c1f02b7"  # noqa: S105
SECRET = "correct-horse-battery-staple"  # noqa: S105 -- in every secret of a test's stack, to be looked for
_LIMITS = Limits(64, "1.0")
_SERVER = """\
import http.server, socket

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        socket.create_connection(("db", 5432), 3).close()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open("/release/version.txt", "rb").read())

http.server.ThreadingHTTPServer(("", 8000), Page).serve_forever()
"""
_HEALTH = ("python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/')")


@dataclass
class Told:
    """Progress that is remembered."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def subjects(self, state: str = "done") -> set[str]:
        return {event.subject for event in self.events if event.state == state}


@dataclass(frozen=True)
class Customer:
    """One stack of a customer who exists for one test."""

    contract: str
    fleet: Path
    settings: HostSettings
    access: Access
    client: docker.DockerClient

    @property
    def stack(self) -> Stack:
        """Return the stack as a new process of crmhost's would have it."""
        return Stack(self.access, self.contract, self.settings)

    @property
    def files(self) -> StateFiles:
        """Return where Pulumi keeps the stack's state."""
        found = files_of(self.access.backend, self.contract)
        assert found is not None
        return found

    def release(self, version: str, digit: str, slot: Slot, **changes: object) -> Placed:
        """Return a release of a web page and a job that only sleeps."""
        placed = Placed(
            release=Release("tiny", version, digit * 64, "1"),
            image=self.settings.images.python,
            slot=slot,
            host=f"{self.contract}.example",
            processes=(
                Runs("web", ("python3", "/release/server.py"), {"PYTHONUNBUFFERED": "1"}, "/release", 3, _LIMITS),
                Runs("jobs", ("sleep", "1000000"), {"A": "1"}, "/", 3, _LIMITS),
            ),
            health=_HEALTH,
            files=(
                UploadFile("server.py", 0o400, _SERVER),
                UploadFile("version.txt", 0o400, f"{version} {SECRET}"),
            ),
        )
        return replace(placed, **changes)  # type: ignore[arg-type]

    def rollout(self, *releases: Placed, serving: Placed | None, redis: bool = False) -> Rollout:
        """Return a rollout with a database, and redis where it is asked for."""
        files = tuple(UploadFile(name, 0o400, f"{SECRET}-{name}") for name in (SUPERUSER_PASSWORD, PASSWORD))
        database = Service(self.settings.images.postgresql, Limits(192, "1.0"), files)
        cache = Service(self.settings.images.redis, _LIMITS) if redis else None
        return Rollout(self.contract, database, cache, releases, serving.release.id if serving is not None else None)

    def containers(self) -> Mapping[str, str]:
        """Return the contract's containers on the engine, by name, and their states."""
        found = self.client.api.containers(all=True, filters=self._mine)
        return {each["Names"][0].removeprefix("/"): each["State"] for each in found}

    def volumes(self) -> set[str]:
        """Return the contract's volumes on the engine."""
        return {each["Name"] for each in self.client.api.volumes(filters=self._mine)["Volumes"] or ()}

    def networks(self) -> set[str]:
        """Return the contract's networks on the engine."""
        return {each["Name"] for each in self.client.api.networks(filters=self._mine)}

    def inspect(self, container: str) -> dict[str, Any]:
        """Return a container as Docker inspects it."""
        return dict(self.client.api.inspect_container(container))

    def say(self, container: str, *argv: str, user: str = "") -> str:
        """Run a program in a container and return what it prints."""
        code, printed = self.client.containers.get(container).exec_run(list(argv), user=user)
        assert isinstance(printed, bytes)
        assert code == 0, printed
        return printed.decode()

    def said(self, container: str, *argv: str) -> str | None:
        """Run a program in a container and return what it prints; None where it fails or cannot run yet."""
        try:
            return self.say(container, *argv)
        except (AssertionError, docker.errors.APIError):
            return None

    def sweep(self) -> None:
        """Remove everything of this customer from the engine."""
        for name in self.containers():
            with contextlib.suppress(docker.errors.NotFound):
                self.client.api.remove_container(name, force=True, v=True)
        for name in self.volumes():
            self.client.api.remove_volume(name, force=True)
        for name in self.networks():
            self.client.api.remove_network(name)

    @property
    def _mine(self) -> dict[str, str]:
        return {"label": f"{naming.LABEL_CONTRACT}={self.contract}"}


def customer(
    client: docker.DockerClient, url: str, images: Images, folder: Path, environment: Mapping[str, str], pulumi: Path
) -> Customer:
    """Return a customer whose fleet is `folder`; nothing of him is on the engine yet."""
    contract = f"t{uuid.uuid4().hex[:8]}"
    settings = HostSettings(Reach(url), HostImages(images.python, images.postgresql, images.redis, images.caddy))
    (folder / ".crmhost" / "state").mkdir(parents=True, exist_ok=True)
    access = Access(
        folder=folder / ".crmhost" / "pulumi" / contract,
        backend=f"file://{folder}/.crmhost/state",
        passphrase=PASSPHRASE,
        pulumi=pulumi,
        environment=environment,
    )
    return Customer(contract, folder, settings, access, client)


Make: TypeAlias = Callable[[], Customer]


@pytest.fixture(scope="session")
def new_customer(
    engine: RealEngine,
    images: Images,
    toolchain: Toolchain,
    provider_path: Path,
    ingress: SharedIngress,  # noqa: ARG001 -- wanted for the network that it makes
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Make]:
    """Yield what makes a customer without a stack, in a fleet of his own; what came of them is removed at the end."""
    environment = {**os.environ, "PATH": f"{provider_path}{os.pathsep}{os.environ['PATH']}"}
    made: list[Customer] = []
    with closing(engine.client()) as client:

        def make() -> Customer:
            folder = tmp_path_factory.mktemp("fleet")
            made.append(customer(client, engine.url, images, folder, environment, toolchain.folder))
            return made[-1]

        yield make
        for one in made:
            one.sweep()


@pytest.fixture
def acme(new_customer: Make) -> Iterator[Customer]:
    """Yield a customer without a stack, and remove whatever came of him."""
    one = new_customer()
    yield one
    one.sweep()


def silent(_: Event) -> None:
    """Tell nobody."""
