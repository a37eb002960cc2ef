"""A contract on a real shared host: deployed by the real sequence, and used through the host's own web server."""

from __future__ import annotations

import http.client
import http.cookiejar
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

from crm.driver import Progress
from crm.plan import Plan, Want
from crm.recipe import Recipe
from crm.release import artifact_digest, lock_of
from crmhost import deploy
from crmhost.deploy import Destroy, Outcome
from crmhost.public import check
from crmhost.sequence import Means
from playbooks.course import Patience
from playbooks.kinds.venv import MARKER, VenvWanted
from playbooks.webhost.driver import WebHostDriver
from playbooks.webhost.layout import Layout, Serves
from tests.support.sharedhost import HOME, SharedHost
from tests.support.smallapp.recipe import RECIPE, VERSIONS
from tests.support.wants import SECRETS, small_want

PATIENT = Patience(candidate=15.0, serving=40.0)
"""Passenger looks at restart.txt every ten seconds."""


EMPTY = [".bash_logout", ".bashrc", ".profile", ".ssh", "public_html"]
"""What the account has before its first contract, and after its last."""


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
    patience: Patience = PATIENT

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
                patience=self.patience,
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

    def left(self) -> list[str]:
        """Return what lies in the account and its document root, and what of crmhost's is in its crontab."""
        return sorted(self.host.run("ls -A; ls -A public_html; crontab -l 2>&1 | grep crmhost || true").split())

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


@dataclass
class Visitor:
    """Somebody who asks for a page again and again: what came when, by the monotonic clock."""

    ask: Callable[[], str]
    answers: list[tuple[float, str]] = field(default_factory=list)

    @contextmanager
    def visiting(self) -> Iterator[Visitor]:
        """Ask in a thread of its own until the block ends."""
        stop = threading.Event()

        def visit() -> None:
            while not stop.wait(0.02):
                got = self.ask()
                self.answers.append((time.monotonic(), got))

        thread = threading.Thread(target=visit)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join()

    def saw(self, what: str) -> bool:
        """Tell whether an answer had it."""
        return any(what in got for _, got in self.answers)

    def mixed(self, old: str, new: str) -> float:
        """Return for how many seconds both were answered; 0 where the last old answer came before the first new one."""
        last = max(at for at, got in self.answers if old in got)
        first = min(at for at, got in self.answers if new in got)
        return max(0.0, last - first)

    def wrong(self) -> list[str]:
        """Return the answers that were not 200."""
        return [got for _, got in self.answers if not got.startswith("200 ")]


def lend_environments(host: SharedHost, *, but: str = "") -> None:
    """Put the small application's environments on the account, as if another contract had needed them already.

    but: a version whose environment is left to the deploy.
    """
    folder = f"{HOME}/.crmhost/artifacts"
    lines = ["umask 077", f"mkdir -p {folder}"]
    for version in (version for version in VERSIONS if version != but):
        lock = lock_of(RECIPE, version, "sqlite")
        place = f"{folder}/{artifact_digest(lock)}"
        wanted = VenvWanted(lock.lock, lock.python, lock.build).digest
        lines += [f"python3 -m venv --without-pip {place}", f"echo {wanted} 3.11.2 >{place}/{MARKER}"]
    host.run("\n".join(lines))
