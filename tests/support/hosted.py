"""A contract on a real shared host: deployed by the real sequence, and used through the host's own web server."""

from __future__ import annotations

import http.client
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

from crm.driver import Progress
from crm.plan import Plan, Want
from crm.recipe import Recipe
from crmhost import deploy
from crmhost.deploy import Destroy, Outcome
from crmhost.public import check
from crmhost.sequence import Means
from playbooks.webhost.driver import WebHostDriver
from playbooks.webhost.layout import Layout, Serves
from playbooks.webhost.work import Patience
from tests.support.sharedhost import HOME, SharedHost
from tests.support.smallapp.recipe import RECIPE
from tests.support.wants import SECRETS, small_want

PATIENT = Patience(candidate=6.0, serving=30.0)
"""Passenger looks at restart.txt every ten seconds."""


@dataclass
class Hosted:
    """One contract on one shared host."""

    host: SharedHost
    serves: Serves
    contract: str = "acme"
    document_root: str = "public_html"
    recipe: Recipe = RECIPE
    version: str = "1.0"
    secrets: Mapping[str, str] = field(default_factory=lambda: SECRETS)
    slots: Mapping[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """Return where its things lie."""
        return Layout(HOME, self.contract, self.serves.front, self.document_root, self.serves.database)

    def want(self, version: str = "", **slots: str) -> Want:
        """Return what its contract asks for."""
        want = small_want(version or self.version)
        given = {name: value for name, value in want.slots.items() if name != "listen"}
        filled = {**given, "url": self.host.url, "host": self.host.address, **self.slots, **slots}
        return replace(want, contract=self.contract, recipe=self.recipe, slots=filled, secrets=self.secrets)

    @contextmanager
    def driver(self, progress: Progress = lambda _: None) -> Iterator[WebHostDriver]:
        """Open its driver over SSH."""
        with self.host.reach() as host:
            yield WebHostDriver(
                host,
                self.contract,
                document_root=self.document_root,
                serves=self.serves,
                who="test@here",
                progress=progress,
                patience=PATIENT,
            )

    def plan(self, version: str = "", **slots: str) -> Plan:
        """Return what a deploy would change."""
        with self.driver() as driver:
            return deploy.plan(driver, self.want(version, **slots))

    def deploy(
        self,
        version: str = "",
        *,
        confirm: Callable[[Plan], bool] = lambda _: True,
        progress: Progress = lambda _: None,
        **slots: str,
    ) -> Outcome:
        """Deploy it."""
        with self.driver(progress) as driver:
            return deploy.deploy(driver, self.want(version, **slots), means(progress), confirm=confirm)

    def rollback(self, to: str | None = None) -> Outcome:
        """Go back."""
        with self.driver() as driver:
            return deploy.rollback(driver, self.want(), to, means())

    def destroy(self, *, keep_data: bool = False) -> Outcome:
        """Remove it."""
        with self.driver() as driver:
            return deploy.destroy(driver, self.want(), Destroy(keep_data, backup=False), means())

    def get(self, path: str = "/ready") -> str:
        """Return `STATUS BODY` of a page as the customer gets it."""
        with closing(http.client.HTTPConnection(self.host.address, 80, timeout=60)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return f"{response.status} {response.read().decode(errors='replace')}"

    def log_in(self, path: str, form: Mapping[str, str]) -> str:
        """Post a form of a page with its hidden fields, as a browser does; return `STATUS BODY` of what comes."""
        jar = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        url = self.host.url + path
        page = browser.open(url, timeout=60).read().decode()
        hidden = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
        data = urllib.parse.urlencode({**hidden, **form}).encode()
        try:
            answer = browser.open(url, data, timeout=60)
            return f"{answer.status} {answer.read().decode()}"
        except urllib.error.HTTPError as refused:
            return f"{refused.code} {refused.read().decode()}"


def means(progress: Progress = lambda _: None) -> Means:
    """Return the sequence's means; the public URL is asked for a shorter time than people would."""
    return Means(progress, lambda want: check(want, patience=5.0))
