"""Asking a release a recipe's questions: with a page or a PHP file of it, or with a query."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crm.errors import GateFailed, HostError
from crm.plan import Release, Want
from crm.recipe import Ask, Sql
from playbooks.sftponly.installer import Installer, Shown
from playbooks.sftponly.release import Server
from playbooks.sftponly.steps import Request, Script, asked, database, masked
from playbooks.sftponly.web import Answer, Site


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks about one release. staged: it may not serve, so its pages are asked for through the installer.

    folder: where the release lies, below the contract's. copy: it never serves at the site's address, but has its own.
    """

    site: Site
    installer: Installer
    server: Server
    want: Want
    folder: str
    known: Mapping[str, str]
    staged: bool = False
    copy: bool = False

    def text(self, ask: Ask, timeout: float = 30.0) -> str:
        """Return the answer's text, as the recipe's pattern has it; what cannot be asked is a text too."""
        if isinstance(ask.how, Sql):
            return self._value(ask.how.query)
        given = asked(ask.how, self.want, self.known, "a question")
        answer = self.do(given, timeout)
        return str(answer) if isinstance(given, Request) else answer.text

    def holds(self, ask: Ask) -> bool:
        """Tell whether the answer is the expected one now."""
        return ask.holds(self.text(ask))

    def do(self, given: Request | Script, timeout: float) -> Answer:
        """Ask for a page, or run a PHP file of the release."""
        if isinstance(given, Script):
            return self.installer.run(self.folder, given.path, given.stdin, timeout)
        if self.staged:
            url = self.want.slots["url"]
            shown = Shown(self.folder, self.want.recipe.web_root, url if self.copy else "")
            return self.installer.page(shown, given.path, given.form, timeout)
        if given.form:
            return self.site.post(given.path, given.form, timeout)
        return self.site.get(given.path, timeout)

    def wait(
        self, ask: Ask, release: Release, patience: float, still: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Ask until the answer is the expected one; raises GateFailed after `patience` seconds. still: who serves."""
        until = time.monotonic() + patience
        while True:
            got = self.text(ask)
            if ask.holds(got):
                return
            if time.monotonic() >= until:
                raise GateFailed(
                    f"the candidate {release.id} did not become ready: after {patience:.0f} s it answered"
                    f" {masked(got, self.want)[:300]!r}, not {ask.expect!r}",
                    still,
                )
            sleep(0.3)

    def _value(self, query: str) -> str:
        try:
            said = self.installer.ask("value", database=database(self.server, self.want.contract), query=query)
        except HostError as error:
            return f"no answer: {error.what}"
        return str(said["value"])
