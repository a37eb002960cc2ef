"""Opening the target of a contract: the connection, the driver, and what the contract wants of it."""

from __future__ import annotations

import getpass
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm.catalogue import find
from crm.driver import Driver, Progress
from crm.plan import Want
from crm.recipe import Recipe
from crmhost.fleet import Fleet
from crmhost.order import read_order
from crmhost.vault import Vault, generate_password
from crmhost.want import make_want

if TYPE_CHECKING:
    from playbooks.host import Host

Accept = Callable[[str], bool]
"""Decides whether a host that was never seen is trusted; is given its key's fingerprint."""


@contextmanager
def open_target(
    fleet: Fleet, name: str, accept: Accept, progress: Progress, *, make_secrets: bool = False
) -> Iterator[tuple[Driver, Want]]:
    """Give the driver of a contract's target, connected, and what the contract wants.

    make_secrets: store the secrets that the recipe needs and the fleet lacks; otherwise they are made up for the
    moment, so that a plan writes nothing. Raises Refused where the contract's stage or target forbids it.
    """
    order, access = read_order(fleet, name, time.time_ns() // 1000)
    recipe = find(order.recipe)
    key_file = None if access.key_file is None else fleet.folder / Path(access.key_file).expanduser()
    opening = _Opening((order.user, order.host, order.port), fleet.known_hosts, key_file, accept)
    try:
        # The host does its half of the handshake while this half of the work is done.
        from playbooks.webhost.driver import WebHostDriver

        vault = Vault(fleet.folder / "secrets", access.recipients, fleet.environment)
        want = make_want(order, recipe, _secrets(vault, name, recipe, make_secrets=make_secrets))
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        host = opening.host()
        yield WebHostDriver(host, name, document_root=order.document_root, who=who, progress=progress), want
    finally:
        opening.close()


class _Opening:
    """A connection that is being made in a thread of its own."""

    def __init__(self, address: tuple[str, str, int], known: Path, key_file: Path | None, accept: Accept) -> None:
        self._host: Host | None = None
        self._failure: BaseException | None = None
        self._address, self._known, self._key, self._accept = address, known, key_file, accept
        self._thread = threading.Thread(target=self._connect, name="connect", daemon=True)
        self._thread.start()

    def host(self) -> Host:
        """Return the connected host; raises what connecting raised."""
        self._thread.join()
        if self._host is None:
            raise self._failure or RuntimeError("the connection was neither made nor refused")
        return self._host

    def close(self) -> None:
        """Close the connection, if it was made by now."""
        if self._host is not None:
            self._host.close()

    def _connect(self) -> None:
        try:
            from playbooks.connect import Address, connect

            self._host = connect(Address(*self._address), self._known, key_file=self._key, accept_new=self._accept)
        except BaseException as failure:  # noqa: BLE001 -- handed over to the thread that waits for it
            self._failure = failure


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


def _secrets(vault: Vault, name: str, recipe: Recipe, *, make_secrets: bool) -> dict[str, str]:
    if make_secrets:
        return {secret: vault.ensure(name, secret) for secret in recipe.secrets}
    return {secret: vault.get(name, secret) or generate_password() for secret in recipe.secrets}
