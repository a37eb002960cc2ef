"""One site taking the place of another under the lock, and going back to the one that served before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from crm.errors import CrmhostError, HostError
from crm.plan import Want
from playbooks.kind import Resource
from playbooks.lan import before, certificates
from playbooks.lan import resources as made
from playbooks.lan.layout import Layout
from playbooks.lan.resources import Site
from playbooks.lan.server import Setup
from playbooks.session import Session
from playbooks.shell import Sh


class Exchange:
    """The site of one operation: what the contract asks for, or after going back the one that served before.

    run, converge: of the work that it is a part of.
    """

    def __init__(
        self,
        session: Session,
        layout: Layout,
        setup: Setup,
        salt: str,
        *,
        run: Callable[[str, Sh], None],
        converge: Callable[[Sequence[Resource]], None],
    ) -> None:
        self._session = session
        self._layout = layout
        self._setup = setup
        self._salt = salt
        self._run = run
        self._converge = converge
        self._before = ""
        self._begun = False

    def site(self, want: Want) -> Site:
        """Return the site that a release is to serve at."""
        return Site(want.slots["url"], self._setup.secured, self._before)

    def at_switch(self) -> Sequence[Resource]:
        """Return what of its certificate comes with the site; nothing once the one from before is back."""
        return () if self._before else certificates.at_switch(self._layout, self._setup, self._salt)

    def keep(self, want: Want) -> Sh:
        """Return the script that keeps the site that serves, where another one is about to take its place."""
        return before.keep(self._layout, self.site(want).text(self._layout))

    def begin(self, want: Want) -> None:
        """Keep the site that serves, since its certificate is replaced before the switch."""
        self._session.host.ask(self.keep(want))
        self._begun = True

    def put_back(self) -> bool:
        """Put back the site that was kept, which is the one from now on; tells whether there was one."""
        text = self._session.host.ask(before.kept(self._layout)).decode("utf-8", "replace")
        if text:
            self._before = text
            self._run("put the site back", before.put_back(self._layout))
        if self._before:
            self._converge([made.nginx(self._layout, Site("", None, self._before))])
        return bool(self._before)

    def forget(self) -> None:
        """Forget what was kept: it serves again."""
        self._session.host.ask(before.forget(self._layout))

    @contextlib.contextmanager
    def or_as_it_was(self) -> Iterator[None]:
        """Put back what a certificate that the server gets by itself has replaced, when what comes next fails."""
        try:
            yield
        except CrmhostError:
            if self._begun:
                with contextlib.suppress(HostError):  # what failed is what is told
                    if self.put_back():
                        self.forget()
            raise
