"""A fleet whose customers live on the test engine: deployed by crmhost's own functions, used through the ingress."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import psutil
import pytest

from crm.backup import Lost
from crm.driver import Progress
from crm.errors import CrmhostError
from crm.plan import Plan
from crm.recipe import Recipe
from crmhost import deploy
from crmhost.deploy import Destroy, Outcome
from crmhost.door import Door
from crmhost.fleet import Fleet
from crmhost.newfleet import create_fleet
from crmhost.order import read_order
from crmhost.public import fetch
from crmhost.target import Target, Wish, open_wish
from infra import naming, sites
from infra.engine.connect import Reach, connect
from infra.images import name_of
from infra.release import lock_of
from infra.toolchain import Toolchain
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.ingress import SharedIngress
from tests.support.load import Site
from tests.support.released import cloud_want, fleet_images, notebook_image
from tests.support.smallapp.recipe import RECIPE, VERSIONS

_CONTRACT = """\
contract: {name}
customer: {{name: ACME Co., language: vi, contacts: [{{role: operations, email: it@acme.example}}]}}
crm: {{recipe: {recipe}, version: '{version}', url: 'https://{name}.example/'}}
target: {{kind: cloud, docker: '{docker}'}}
term: {{signed: 2026-01-10, accepted: 2026-02-01, lasts: 1 year}}
"""
_STACK = re.compile(r"pulumi(-resource-\w+|-language-\w+)?$")


def silent(_: object) -> None:
    """Tell nobody."""


def yes(_: Plan | Lost) -> bool:
    """Confirm anything."""
    return True


@dataclass(frozen=True)
class Company:
    """A hosting company's fleet, and the engine that its contracts name."""

    fleet: Fleet
    engine: RealEngine

    @property
    def mark(self) -> str:
        """Return what tells this fleet's customers from those of other test runs on the engine."""
        return hashlib.sha256(str(self.fleet.folder).encode()).hexdigest()[:6]

    def customer(self, name: str, recipe: Recipe = RECIPE, version: str = "1.0") -> Customer:
        """Return a customer with a signed contract; nothing of him is on the engine yet."""
        text = _CONTRACT.format(name=name, recipe=recipe.id, version=version, docker=self.engine.url)
        self.fleet.contract_file(name).write_text(text)
        return Customer(self, name, recipe)


def company(
    folder: Path, host: SharedIngress, environment: Mapping[str, str], more: Mapping[str, str] | None = None
) -> Company:
    """Make a fleet in `folder`, whose customers come in through the engine's ingress. more: settings besides."""
    given = {**environment, "CRMHOST_AGE_KEY_FILE": str(folder.parent / f"{folder.name}.key")}
    images, ingress = host.settings.images, host.settings.ingress
    sets = {
        "cloud.images.python": images.python,
        "cloud.images.postgresql": images.postgresql,
        "cloud.images.redis": images.redis,
        "cloud.images.ingress": images.ingress,
        "cloud.ingress.certificates": ingress.certificates,
        "cloud.ingress.bind": ingress.bind,
        "cloud.ingress.http": str(ingress.http),
        "cloud.ingress.https": str(ingress.https),
        "cloud.ingress.address": f"{host.address[0]}:{host.address[1]}",
        **(more or {}),
    }
    folder.mkdir(parents=True)
    fleet = create_fleet(folder, "Test hosting", [f"{key}={value}" for key, value in sets.items()], given)
    return Company(fleet, RealEngine(host.settings.reach.url))


def opened(folder: Path, url: str) -> Company:
    """Return the fleet that was made in `folder`, for another process."""
    return Company(Fleet(folder, dict(os.environ)), RealEngine(url))


def notebook_images(engine: RealEngine, images: Images) -> None:
    """Let the engine have the small application's images, under the names by which crmhost finds what it has built."""
    given = fleet_images(images)
    made = notebook_image(engine, images)
    with closing(engine.client()) as client:
        for version in VERSIONS:
            name, _, tag = name_of(RECIPE.id, version, lock_of(cloud_want("any", version)), given).rpartition(":")
            client.api.tag(made, name, tag)


@pytest.fixture(scope="session")
def hosting(
    ingress: SharedIngress,
    engine: RealEngine,
    images: Images,
    toolchain: Toolchain,
    provider_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Company:
    """Return a fleet whose host is up, and has the small application's images."""
    notebook_images(engine, images)
    path = os.pathsep.join(map(str, (provider_path, toolchain.folder, os.environ["PATH"])))
    return company(tmp_path_factory.mktemp("hosting") / "fleet", ingress, {**os.environ, "PATH": path})


@dataclass(frozen=True)
class Customer:
    """One contract of the fleet, in whatever version a test asks for."""

    company: Company
    contract: str
    recipe: Recipe = RECIPE

    @property
    def url(self) -> str:
        """Return where the customer's people go."""
        return f"https://{self.contract}.example"

    @property
    def password(self) -> str:
        """Return the administrator's password."""
        return self.company.fleet.vault.get(self.contract, "admin-password") or ""

    @contextmanager
    def target(self, version: str, progress: Progress = silent, *, refresh: bool = False) -> Iterator[Target]:
        """Give its target, connected."""
        order, access = read_order(self.company.fleet, self.contract, time.time_ns() // 1000)
        order = replace(order, version=version)
        patience = 8.0 if version == "broken" else None  # it never becomes ready
        wish = Wish(self.company.fleet, order, access, self.recipe, progress, True, refresh, patience)
        with open_wish(wish, lambda _: False) as target:
            yield target

    def plan(self, version: str, *, refresh: bool = False) -> Plan:
        """Return what a deploy would change."""
        with self.target(version, refresh=refresh) as target:
            return deploy.plan(target.driver, target.want)

    def deploy(self, version: str, progress: Progress = silent, confirm: Callable[[Plan], bool] = yes) -> Outcome:
        """Deploy it."""
        with self.target(version, progress) as target:
            return deploy.deploy(target.driver, target.want, target.means(yes), confirm=confirm)

    def rollback(self, version: str, progress: Progress = silent, *, to: str | None = None) -> Outcome:
        """Go back, from the version that the contract names; writes may be lost."""
        with self.target(version, progress) as target:
            return deploy.rollback(target.driver, target.want, to, target.means(yes))

    def destroy(self, version: str = "1.0", progress: Progress = silent, *, backup: bool = False) -> Outcome:
        """Remove it."""
        with self.target(version, progress) as target:
            return deploy.destroy(target.driver, target.want, Destroy(backup=backup), target.means(yes))

    @cached_property
    def door(self) -> Door:
        """Return how the ingress is reached from here; asked once."""
        with self.target(self.recipe.versions[0]) as target:
            assert target.door is not None
            return target.door()

    def get(self, path: str = "/ready") -> str:
        """Return `STATUS BODY` of a page, as customers get it."""
        return fetch(self.url + path, 20.0, self.door)

    def log_in(self) -> str:
        """Return the cookie of a session of the customer's administrator."""
        token = re.search(r'name="csrf" value="(\w+)"', self.get("/login"))
        assert token is not None, self.get("/login")
        form = {"csrf": token[1], "username": "admin", "password": self.password}
        status, cookie = self.post("/login", form, f"csrf={token[1]}")
        assert status == 303, status
        return cookie.partition(";")[0]

    def write(self, text: str) -> None:
        """Write a note as the customer's administrator."""
        status, _ = self.post("/notes", {"text": text}, self.log_in())
        assert status == 303, status

    def post(self, path: str, form: Mapping[str, str], cookie: str) -> tuple[int, str]:
        """Send a form; returns the status and the cookie that is set."""
        with closing(self.door.connection(urllib.parse.urlsplit(self.url), 20.0)) as line:
            head = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
            line.request("POST", path, urllib.parse.urlencode(form), head)
            response: http.client.HTTPResponse = line.getresponse()
            response.read()
            return response.status, response.getheader("Set-Cookie") or ""

    def site(self) -> Site:
        """Return what load is put on: pages are read and notes written in one session."""
        address, authority = self.door.address, self.door.authority
        assert address is not None
        assert authority is not None
        return Site(
            url=self.url,
            address=address,
            authority=authority,
            read_path="/ready",
            write_path="/notes",
            write_field="text",
            headers={"Cookie": self.log_in()},
        )

    def notes(self) -> list[str]:
        """Return the notes that are whole: those with their line in the second table, too."""
        return self.ask("SELECT note.text FROM note JOIN history ON history.note = note.id ORDER BY note.id")

    def ask(self, query: str) -> list[str]:
        """Ask the customer's database; one text a row."""
        argv = ["psql", "-XAtqc", query, naming.DATABASE_NAME]
        with connect(Reach(self.company.engine.url)) as engine:
            name = naming.database(self.contract)
            output = engine.execute(name, argv, timeout=60, user=naming.DATABASE_SYSTEM_USER)
        assert output.code == 0, output.text
        return output.said.splitlines()

    def there(self) -> dict[str, set[str]]:
        """Return the names of all that the engine has of the customer: containers, volumes, networks."""
        mine = {"label": f"{naming.LABEL_CONTRACT}={self.contract}"}
        with closing(self.company.engine.client()) as client:
            api = client.api
            return {
                "containers": {each["Names"][0].lstrip("/") for each in api.containers(all=True, filters=mine)},
                "volumes": {each["Name"] for each in api.volumes(filters=mine)["Volumes"] or ()},
                "networks": {each["Name"] for each in api.networks(filters=mine)},
            }

    def left_running(self) -> list[str]:
        """Return the processes of Pulumi's that are at work on the customer's stack, or were when it was removed."""
        folder, found = str(self.company.fleet.state / "pulumi" / self.contract), []
        for process in psutil.process_iter():
            try:
                named = [Path(word).name for word in process.cmdline()[:2]]
                ours = process.cwd().removesuffix(" (deleted)") == folder
            except (psutil.Error, OSError):
                continue
            if ours and any(_STACK.match(name) for name in named):
                found.append(f"{' '.join(named)} ({process.pid})")
        return found

    def sweep(self) -> None:
        """Remove whatever the engine has of the customer, and his site, when a test has failed."""
        there = self.there()
        with connect(Reach(self.company.engine.url)) as engine, contextlib.suppress(CrmhostError):
            sites.remove(engine, f"{self.contract}.example")
        with closing(self.company.engine.client()) as client:
            for name in there["containers"]:
                client.api.remove_container(name, force=True, v=True)
            for name in there["volumes"]:
                client.api.remove_volume(name, force=True)
            for name in there["networks"]:
                client.api.remove_network(name)
