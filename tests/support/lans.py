"""A customer on a LAN server: deployed by the real sequence, used over HTTPS through nginx, looked at from outside."""

from __future__ import annotations

import http.client
import re
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from crm.driver import Progress
from crm.plan import Plan, Want
from crm.recipe import Recipe
from crmhost import deploy
from crmhost.backup.shelf import Shelf
from crmhost.deploy import Destroy, Outcome
from crmhost.door import Door
from crmhost.lancertificate import authority, issue
from crmhost.public import check
from crmhost.sequence import Means, Public, Sure, nobody
from playbooks.course import Patience
from playbooks.lan.driver import LanDriver
from playbooks.lan.firewall import Asked
from playbooks.lan.layout import Layout
from playbooks.lan.server import Setup
from playbooks.lan.sites import Certificate
from tests.support.backups import open_backups
from tests.support.lanhost import LanHost
from tests.support.load import Site
from tests.support.smallapp.recipe import RECIPE
from tests.support.wants import SECRETS, small_want

PATIENT = Patience(candidate=20.0, serving=20.0)


@dataclass
class LanCustomer:
    """One contract on one server; its URL is reached at the server's address, its certificate verified."""

    lan: LanHost
    contract: str = "acme"
    recipe: Recipe = RECIPE
    firewall: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        """Make its authority and its certificate."""
        self.root = authority(self.host, self.made)
        self.pair = issue(self.root, self.host, self.made)

    def renew(self) -> None:
        """Let its authority sign another certificate."""
        self.pair = issue(self.root, self.host, self.made)

    @property
    def host(self) -> str:
        """Return the name in its URL."""
        return f"{self.contract}.lan"

    @property
    def layout(self) -> Layout:
        """Return where its things lie."""
        return Layout(self.contract)

    @property
    def setup(self) -> Setup:
        """Return what its contract says of the server."""
        asked = Asked(22, (80, 443))
        if self.firewall is not None:
            asked = Asked(22, (80, 443), *self.firewall, asks=True)
        return Setup(asked, Certificate(self.pair.certificate, self.root.certificate), self.pair.key)

    @property
    def door(self) -> Door:
        """Return how its URL is reached from here."""
        return Door((self.lan.address, 443), self.root.certificate)

    def want(self, version: str = "1.0", **slots: str) -> Want:
        """Return what its contract asks for."""
        want = small_want(version)
        filled = {name: text for name, text in want.slots.items() if name != "listen"}
        filled |= {"url": f"https://{self.host}", "host": self.host, **slots}
        return replace(want, contract=self.contract, recipe=self.recipe, slots=filled)

    def public(self, want: Want) -> None:
        """Ask the public URL as its users do."""
        check(want, self.door, patience=10.0)

    @property
    def shelf(self) -> Shelf:
        """Return its backups."""
        return open_backups(self.lan.known_hosts.parent, self.contract)

    def means(self, progress: Progress = lambda _: None, public: Public | None = None, sure: Sure = nobody) -> Means:
        """Return what the sequence uses besides the target."""
        return Means(progress, public or self.public, lambda: self.shelf, sure)

    @contextmanager
    def driver(self, progress: Progress = lambda _: None) -> Iterator[LanDriver]:
        """Open its driver over SSH."""
        with self.lan.root() as host:
            yield LanDriver(host, self.contract, self.setup, who="test@here", progress=progress, patience=PATIENT)

    def plan(self, version: str = "1.0", **slots: str) -> Plan:
        """Return what a deploy would change."""
        with self.driver() as driver:
            return deploy.plan(driver, self.want(version, **slots))

    def deploy(
        self,
        version: str = "1.0",
        *,
        public: Public | None = None,
        progress: Progress = lambda _: None,
        confirm: Callable[[Plan], bool] = lambda _: True,
        **slots: str,
    ) -> Outcome:
        """Deploy it."""
        with self.driver(progress) as driver:
            means = self.means(progress, public)
            return deploy.deploy(driver, self.want(version, **slots), means, confirm=confirm)

    def rollback(self, to: str | None = None, *, version: str = "1.0", sure: Sure = nobody) -> Outcome:
        """Go back."""
        with self.driver() as driver:
            return deploy.rollback(driver, self.want(version), to, self.means(sure=sure))

    def destroy(self, *, keep_data: bool = False, backup: bool = False) -> Outcome:
        """Remove it."""
        with self.driver() as driver:
            return deploy.destroy(driver, self.want(), Destroy(keep_data, backup), self.means())

    def get(self, path: str = "/ready") -> str:
        """Return `STATUS BODY` of a page, or why there is none."""
        try:
            status, body, _ = self._request("GET", path)
        except (OSError, http.client.HTTPException) as error:
            return f"down: {error}"
        return f"{status} {body}"

    def log_in(self, name: str, password: str) -> str | None:
        """Return the session's cookie, or None when the account was refused."""
        _, page, _ = self._request("GET", "/login")
        token = re.search(r'name="csrf" value="(\w+)"', page)
        assert token is not None, page
        form = {"csrf": token[1], "username": name, "password": password}
        status, _, cookie = self._request("POST", "/login", form, f"csrf={token[1]}")
        return cookie.partition(";")[0] if status == 303 else None

    def write(self, text: str) -> None:
        """Log in as the customer's administrator and write a note."""
        session = self.log_in("admin", SECRETS["admin-password"])
        assert session is not None
        status, _, _ = self._request("POST", "/notes", {"text": text}, session)
        assert status == 303

    def ask(self, query: str) -> str:
        """Ask the customer's database, as PostgreSQL's own administrator."""
        user = self.layout.user
        return self.lan.run(f'cd /; runuser -u postgres -- psql -XAtq -d "{user}" -c "{query}"').strip()

    def site(self) -> Site:
        """Return what load is put on: pages are read and notes written in one session."""
        session = self.log_in("admin", SECRETS["admin-password"])
        assert session is not None
        return Site(
            url=f"https://{self.host}",
            address=(self.lan.address, 443),
            authority=self.root.certificate,
            read_path="/ready",
            write_path="/notes",
            write_field="text",
            headers={"Cookie": session},
        )

    def notes(self) -> list[str]:
        """Return the notes that are whole: those with their line in the second table, too."""
        query = "SELECT note.text FROM note JOIN history ON history.note = note.id ORDER BY note.id"
        return self.ask(query).splitlines()

    def fault(self, name: str, text: str = "") -> None:
        """Switch a fault of the application on."""
        self.lan.run(f"printf %s '{text}' >{self.layout.data}/faults/{name}")

    def unit(self, process: str, sort: str = "service") -> str:
        """Return the unit of a process of the release that serves."""
        release = self.lan.run(f"basename $(readlink {self.layout.current})").strip()
        return f"crmhost-{self.contract}.{process}.{release.rpartition('-')[2][:8]}.{sort}"

    def _request(
        self, method: str, path: str, form: dict[str, str] | None = None, cookie: str = ""
    ) -> tuple[int, str, str]:
        parts = urllib.parse.urlsplit(f"https://{self.host}{path}")
        with closing(self.door.connection(parts, 10.0)) as connection:
            headers = {"Cookie": cookie} if cookie else {}
            body = None
            if form is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                body = urllib.parse.urlencode(form)
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode(), response.getheader("Set-Cookie") or ""
