"""Opening the target of a contract: the connection, the driver, and what the contract wants of it.

A host is being connected to while the rest of what is needed is imported, so nothing heavy is imported above that.
"""

from __future__ import annotations

import getpass
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm.errors import Refused
from crmhost.order import read_order
from crmhost.reach import Opening

if TYPE_CHECKING:
    from crm.backup import Backups
    from crm.driver import Archives, Driver, Progress
    from crm.plan import Want
    from crm.recipe import Recipe
    from crmhost.door import Door
    from crmhost.fleet import Fleet
    from crmhost.fresh import Fresh
    from crmhost.order import Access
    from crmhost.sequence import Means, Public, Sure
    from crmhost.vault import Vault
    from crmhost.want import Order

Accept = Callable[[str], bool]
"""Decides whether a host that was never seen is trusted; is given its key's fingerprint and, over SSH, whose it is."""


@dataclass(frozen=True, slots=True)
class Target:
    """A contract's target, connected. door: how its URL is reached from here, where not as everybody reaches it.

    entrance: gives a way to it through this connection, for as long as that is held, where the target has one. fresh:
    what was made up and a deploy stores; None: nothing is stored.
    """

    driver: Driver
    want: Want
    progress: Progress
    door: Callable[[], Door] | None = None
    entrance: Callable[[], AbstractContextManager[Door]] | None = None
    public: Public | None = None
    backups: Callable[[], Backups] | None = None
    fresh: Fresh | None = None

    def means(self, sure: Sure | None = None) -> Means:
        """Return what the sequence uses besides the target. sure: who is asked; nobody, unless somebody is named."""
        from crmhost.sequence import Means, nobody

        return Means(self.progress, self.public or self._ask_public, self.backups, sure or nobody, fresh=self.fresh)

    def _ask_public(self, want: Want) -> None:
        from crmhost.door import STREET
        from crmhost.public import check

        check(want, STREET if self.door is None else self.door())


@dataclass(frozen=True, slots=True)
class Wish:
    """What a command asks for: a contract's order, and what the fleet has for it. The switches: see `open_target`.

    patience: seconds within which a candidate must be ready, where not as long as the driver waits by itself.
    begun: the connection to the host, where it is being made already.
    """

    fleet: Fleet
    order: Order
    access: Access
    recipe: Recipe
    progress: Progress
    make_secrets: bool
    refresh: bool
    patience: float | None = None
    begun: Opening | None = None

    def opening(self, accept: Accept, *, root: bool = False) -> Opening:
        """Return the connection that is being made to the order's host; root: see `crmhost.reach.reach`."""
        return self.begun or Opening(self.fleet, self.order, self.access, accept, root=root)

    @property
    def key_file(self) -> Path | None:
        """Return the private key that hosts are reached with."""
        key = self.access.key_file
        return None if key is None else self.fleet.folder / Path(key).expanduser()

    def fresh(self) -> Fresh:
        """Return what makes up the secrets that the fleet lacks."""
        from crmhost.fresh import Fresh

        return Fresh(self.vault(), self.order.contract)

    def want(self, fresh: Fresh, *more: str) -> Want:
        """Return what the target is asked for, with the recipe's secrets and those that the target adds."""
        from crmhost.want import make_want

        secrets = {name: fresh.get(name) for name in (*self.recipe.secrets, *more)}
        return make_want(self.order, self.pinned(), secrets)

    def pinned(self) -> Recipe:
        """Return the recipe, with the checksums that the fleet has for its archives."""
        from crmhost.pins import known

        return known(self.recipe, self.access.archives)

    def archives(self) -> Archives:
        """Return what brings the recipe's archives to this machine, where a driver needs one."""
        from crmhost.fetch import Shelf
        from crmhost.pins import files

        own = files(self.fleet.folder, self.pinned(), self.access.archives)
        return Shelf(self.fleet.state / "archives", self.progress, own)

    def vault(self) -> Vault:
        """Return the fleet's secrets."""
        from crmhost.vault import Vault

        return Vault(self.fleet.folder / "secrets", self.access.recipients, self.fleet.environment)


@contextmanager
def open_target(
    fleet: Fleet,
    name: str,
    accept: Accept,
    progress: Progress,
    *,
    make_secrets: bool = False,
    refresh: bool = False,
) -> Iterator[Target]:
    """Give a contract's target, connected, with what the contract wants of it.

    make_secrets: let a deploy store the secrets that the recipe needs and the fleet lacks; otherwise they are made up
    for the moment, so that a plan writes nothing. refresh: let Pulumi, too, look at every resource. Raises Refused
    where the contract's stage or target forbids it.
    """
    order, access = read_order(fleet, name, time.time_ns() // 1000)
    begun = None
    if order.kind in ("lan", "webhost") and order.access == "ssh":
        begun = Opening(fleet, order, access, accept, root=order.kind == "lan")
    try:
        import crmhost.deploy  # noqa: F401 -- nearly every verb needs it, and the host does its half meanwhile
        from crm.catalogue import find

        recipe = find(order.recipe)
        wish = Wish(fleet, order, access, recipe, progress, make_secrets, refresh, begun=begun)
        with open_wish(wish, accept) as target:
            yield target
    finally:
        if begun is not None:
            begun.close()


@contextmanager
def open_wish(wish: Wish, accept: Accept) -> Iterator[Target]:
    """Give the target that an order names, connected."""
    if wish.order.kind == "cloud":
        if wish.fleet.local:
            raise Refused(
                f"{wish.order.file}: target.docker: says already where the Docker host is; --local says nothing of it",
                "Run it without --local, and without CRMHOST_LOCAL.",
            )
        from crmhost.cloud import open_cloud

        with open_cloud(wish, accept) as target:
            yield target
    elif wish.order.kind == "lan":
        from crmhost.lan import open_lan

        with open_lan(wish, accept) as target:
            yield target
    elif wish.order.access == "sftp":
        from crmhost.sftp import open_sftp

        with open_sftp(wish, accept) as target:
            yield target
    else:
        with _open_webhost(wish, accept) as target:
            yield target


def backups_of(wish: Wish, want: Want) -> Backups:
    """Return where the backups of what is wished are kept; raises CrmhostError where its keys are not at hand."""
    from crmhost.backup.shelf import open_shelf
    from crmhost.backup.take import require_keys

    require_keys(wish.vault(), want)  # a key that was made up for the moment must not get into a backup
    return open_shelf(wish.fleet, wish.order.contract)


def with_given(wish: Wish, fresh: Fresh) -> Want:
    """Return what a web host is asked for, with the password that the host gave for its database; none is made up.

    A copy has that of the second database, which belongs to the contract that it is a copy of.
    """
    from crm.recipe import DATABASE_PASSWORD, SCRATCH_PASSWORD

    want, order = wish.want(fresh), wish.order
    if order.database == "sqlite":
        return want
    owner, secret, key = order.contract, DATABASE_PASSWORD.name, "target.database"
    if order.copied:
        owner, secret, key = order.copied, SCRATCH_PASSWORD.name, "target.database.scratch"
    given = wish.vault().get(owner, secret)
    if given is None:
        raise Refused(
            f"{order.file}: {key}: the fleet lacks the password that the host gave for it",
            f"Store it: crmhost secrets set {owner} {secret}",
        )
    return replace(want, secrets={**want.secrets, DATABASE_PASSWORD.name: given})


def who() -> str:
    """Return who is at work here, for those who find the lock held."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@contextmanager
def _open_webhost(wish: Wish, accept: Accept) -> Iterator[Target]:
    order = wish.order
    opening = wish.opening(accept)
    try:
        # The host does its half of the handshake while this half of the work is done.
        from playbooks.webhost.driver import WebHostDriver
        from playbooks.webhost.layout import Serves

        fresh = wish.fresh()
        want = with_given(wish, fresh)
        host = opening.host()
        driver = WebHostDriver(
            host,
            order.contract,
            document_root=order.document_root,
            serves=Serves(order.front, order.database, wish.archives()),
            who=who(),
            progress=wish.progress,
        )
        keep = fresh if wish.make_secrets else None
        yield Target(driver, want, wish.progress, backups=lambda: backups_of(wish, want), fresh=keep)
    finally:
        opening.close()


def accept_on_terminal(*, accept: bool) -> Accept:
    """Return what asks the person at the terminal, or refuses where there is none; `accept`: says yes to any."""

    def ask(fingerprint: str) -> bool:
        if accept:
            click.echo(f"a new host: its key {fingerprint} is trusted from now on (known_hosts)", err=True)
            return True
        if not sys.stdin.isatty():
            return False
        return click.confirm(f"a new host, with the key {fingerprint}: trust it from now on?", err=True)

    return ask
