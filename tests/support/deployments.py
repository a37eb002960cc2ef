"""A customer on a sandbox host: deployed by the real sequence, used over HTTP, looked at from the outside."""

from __future__ import annotations

import http.client
import os
import re
import sqlite3
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from crm.driver import Progress
from crm.plan import Change, Plan, Want
from crm.recipe import Recipe
from crm.release import artifact_digest, lock_of
from crmhost import deploy
from crmhost.backup.shelf import Shelf
from crmhost.deploy import Destroy, Outcome
from crmhost.public import check
from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.ports import free_port
from crmhost.sequence import Means, Public, Sure, nobody
from playbooks.course import Patience
from playbooks.kinds.venv import MARKER, VenvWanted
from playbooks.webhost.driver import WebHostDriver
from playbooks.webhost.layout import Layout
from tests.support.backups import open_backups
from tests.support.hosts import reach
from tests.support.smallapp.recipe import RECIPE, VERSIONS
from tests.support.wants import SECRETS, small_want

PATIENT = Patience(candidate=6.0, serving=10.0)


def quick_public(want: Want) -> None:
    """Ask the public URL, for a shorter time than people would."""
    check(want, patience=5.0)


QUIETLY = Means(lambda _: None, quick_public)


@dataclass
class Customer:
    """One contract on one sandbox."""

    box: Sandbox
    contract: str = "acme"
    port: int = field(default_factory=free_port)
    recipe: Recipe = RECIPE

    @property
    def layout(self) -> Layout:
        """Return where its things lie."""
        return Layout(str(self.box.home), self.contract)

    @property
    def root(self) -> Path:
        """Return the contract's folder."""
        return Path(self.layout.root)

    @property
    def release(self) -> Path:
        """Return the folder of the release that serves."""
        return Path(self.layout.current).resolve()

    def want(self, version: str = "1.0", **slots: str) -> Want:
        """Return what its contract asks for."""
        address = f"127.0.0.1:{self.port}"
        want = small_want(version)
        filled = {**want.slots, "url": f"http://{address}", "listen": address, **slots}
        return replace(want, contract=self.contract, recipe=self.recipe, slots=filled)

    @contextmanager
    def driver(self, progress: Progress = lambda _: None) -> Iterator[WebHostDriver]:
        """Open its driver over SSH."""
        with reach(self.box) as host:
            yield WebHostDriver(
                host, self.contract, document_root=None, who="test@here", progress=progress, patience=PATIENT
            )

    @property
    def shelf(self) -> Shelf:
        """Return its backups."""
        return open_backups(self.box.root, self.contract)

    def means(self, progress: Progress = lambda _: None, public: Public = quick_public, sure: Sure = nobody) -> Means:
        """Return what the sequence uses besides its target."""
        return Means(progress, public, lambda: self.shelf, sure)

    def plan(self, version: str = "1.0", **slots: str) -> Plan:
        """Return what a deploy would change."""
        with self.driver() as driver:
            return deploy.plan(driver, self.want(version, **slots))

    def deploy(
        self,
        version: str = "1.0",
        *,
        public: Public = quick_public,
        progress: Progress = lambda _: None,
        confirm: Callable[[Plan], bool] = lambda _: True,
        sure: Sure = nobody,
        **slots: str,
    ) -> Outcome:
        """Deploy it."""
        with self.driver(progress) as driver:
            want = self.want(version, **slots)
            return deploy.deploy(driver, want, self.means(progress, public, sure), confirm=confirm)

    def rollback(self, to: str | None = None, *, version: str = "1.0", sure: Sure = nobody, **slots: str) -> Outcome:
        """Go back."""
        with self.driver() as driver:
            return deploy.rollback(driver, self.want(version, **slots), to, self.means(sure=sure))

    def destroy(self, *, keep_data: bool = False, backup: bool = False) -> Outcome:
        """Remove it."""
        with self.driver() as driver:
            return deploy.destroy(driver, self.want(), Destroy(keep_data, backup), self.means())

    def get(self, path: str = "/ready") -> str:
        """Return `STATUS BODY` of a page, or `down`."""
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                connection.request("GET", path)
                response = connection.getresponse()
                return f"{response.status} {response.read().decode()}"
        except OSError:
            return "down"

    def write(self, text: str) -> None:
        """Log in as the customer's administrator and write a note."""
        session = self.log_in("admin", SECRETS["admin-password"])
        assert session is not None
        status, _, _ = self.post("/notes", {"text": text}, session)
        assert status == 303

    def log_in(self, name: str, password: str) -> str | None:
        """Return the session's cookie, or None when the account was refused."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", "/login")
            page = connection.getresponse().read().decode()
        token = re.search(r'name="csrf" value="(\w+)"', page)
        assert token is not None, page
        form = {"csrf": token[1], "username": name, "password": password}
        status, _, cookie = self.post("/login", form, f"csrf={token[1]}")
        return cookie.partition(";")[0] if status == 303 else None

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Ask the customer's database."""
        with closing(sqlite3.connect(f"file:{self.layout.db}?mode=ro", uri=True)) as db:
            return db.execute(query).fetchall()

    def notes(self) -> list[str]:
        """Return the notes in the customer's database."""
        return [str(row[0]) for row in self.ask("select text from note order by id")]

    def fault(self, name: str, text: str = "") -> Path:
        """Switch a fault of the application on."""
        path = Path(self.layout.data) / "faults" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def pid(self, process: str) -> int:
        """Return the process id of the leader of a process."""
        return int(Path(f"{self.layout.runs}/{process}.pid").read_text().split()[0])

    def post(self, path: str, form: dict[str, str], cookie: str) -> tuple[int, str, str]:
        """Send a form in a session; return status, body and the cookie that is set."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("POST", path, urllib.parse.urlencode(form), {"Cookie": cookie})
            response = connection.getresponse()
            return response.status, response.read().decode(), response.getheader("Set-Cookie") or ""


def by_resource(plan: Plan) -> dict[str, Change]:
    """Return the plan's changes by their resources."""
    return {change.resource: change for change in plan.changes}


def build_artifacts(folder: Path) -> None:
    """Build the virtual environments of all versions of the small application, as the kind leaves them."""
    for version in VERSIONS:
        lock = lock_of(RECIPE, version, "sqlite")
        venv = folder / artifact_digest(lock)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        running = ".".join(map(str, sys.version_info[:3]))
        (venv / MARKER).write_text(f"{VenvWanted(lock.lock, lock.python, lock.build).digest} {running}\n")


def lend_artifacts(built: Path, box: Sandbox) -> None:
    """Put the environments on a host as if another contract of the account had needed them already."""
    artifacts = box.home / ".crmhost" / "artifacts"
    artifacts.mkdir(mode=0o700, parents=True, exist_ok=True)
    artifacts.parent.chmod(0o700)
    for venv in built.iterdir():
        if not (artifacts / venv.name).is_symlink():
            (artifacts / venv.name).symlink_to(venv)


def everything_in(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield all files below a folder with their content, without following links."""
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top) / name
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()
