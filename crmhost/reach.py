"""Connecting to the host of an order: the way to it, by the contract, the fleet and the user's SSH configuration."""

from __future__ import annotations

import getpass
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crm.errors import Refused

if TYPE_CHECKING:
    from crmhost.fleet import Fleet
    from crmhost.order import Access
    from crmhost.target import Accept
    from crmhost.want import Order
    from playbooks.become import Become
    from playbooks.host import Host
    from playbooks.route import Says, Stop

USERS = "~/.ssh/config"
"""The SSH configuration that is read where the fleet names none."""


def way(fleet: Fleet, order: Order, access: Access) -> tuple[Stop, ...]:
    """Return the hosts that are met on the way to an order's host, that one last; raises HostError, see `route`."""
    from playbooks.route import Place, route

    key = None if access.key_file is None else fleet.folder / Path(access.key_file).expanduser()
    place = Place(order.user, order.host, order.port or None, order.jump)
    return route(place, _says(fleet, access.ssh_config), key, getpass.getuser())


def reach(fleet: Fleet, order: Order, access: Access, accept: Accept, *, root: bool = False) -> Host:
    """Return a connection to an order's host; root: everything that is done there is done as root.

    Where the fleet is worked on locally, the host is this machine and no connection is made; Refused is raised where it
    is another one. Raises HostError that names the host on the way that was not entered.
    """
    if not fleet.local:
        from playbooks.connect import connect_through

    def asked(stop: Stop, fingerprint: str) -> bool:
        return accept(f"{fingerprint} of {stop.title}")

    stops = way(fleet, order, access)
    become = _become(fleet, order, access) if root else None
    if fleet.local:
        host = _here(fleet, stops[-1], accept, become)
    else:
        host = connect_through(stops, fleet.known_hosts, ring=fleet.ring, accept=asked, become=become)
    return _settled(host) if root else host


def _here(fleet: Fleet, stop: Stop, accept: Accept, become: Become | None) -> Host:
    """Return this machine as the host, where it is that one; raises Refused where it is not."""
    from playbooks.local import here

    me, user = getpass.getuser(), stop.address.user
    if become is None and me != user:
        raise Refused(
            f"{stop.title}: --local works as the account that runs it, {me}, and the contract means {user}",
            f"Run it as {user}, or without --local.",
        )
    return here(stop, fleet.known_hosts, accept=lambda key, whose: accept(f"{key} of {whose}"), become=become)


def _become(fleet: Fleet, order: Order, access: Access) -> Become:
    from crmhost.passphrase import SECRET, sudo_passwords
    from playbooks.become import Become

    def kept() -> str | None:
        from crmhost.vault import Vault

        owner = Path(order.file).stem  # the contract, of whose order a copy's is made
        return Vault(fleet.folder / "secrets", access.recipients, fleet.environment).get(owner, SECRET)

    named = access.sudo_password_file
    file = None if named is None else fleet.folder / Path(named).expanduser()
    return Become(sudo_passwords(fleet.environment, kept, file))


def _settled(host: Host) -> Host:
    """Return the host; where somebody may be asked for a password, now, and not below a spinner."""
    from playbooks.shell import sh

    if sys.stdin.isatty():
        try:
            host.ask(sh(":"))
        except BaseException:
            host.close()
            raise
    return host


def _says(fleet: Fleet, named: str | None) -> Says:
    from playbooks.route import nothing_said
    from playbooks.sshconfig import read

    if named == "none":
        return nothing_said
    path = fleet.folder / Path(named or USERS).expanduser()
    if named is None and not path.exists():
        return nothing_said
    return read(path)


class Opening:
    """A connection that is being made in a thread of its own. root: see `reach`."""

    def __init__(self, fleet: Fleet, order: Order, access: Access, accept: Accept, *, root: bool = False) -> None:
        self._host: Host | None = None
        self._failure: BaseException | None = None
        self._asked = partial(reach, fleet, order, access, accept, root=root)
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
            self._host = self._asked()
        except BaseException as failure:  # noqa: BLE001 -- handed over to the thread that waits for it
            self._failure = failure
