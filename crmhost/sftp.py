"""Opening the target of a contract on a host that gives SFTP and a control panel only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crm.plan import Want
from crm.recipe import DATABASE_PASSWORD
from crmhost.reach import Opening
from crmhost.target import Accept, Target, Wish, backups_of, who, with_given

if TYPE_CHECKING:
    from crmhost.door import Door
    from playbooks.sftponly.ground import Spot


@contextmanager
def open_sftp(wish: Wish, accept: Accept, door: Door | None = None) -> Iterator[Target]:
    """Give the target, connected. door: how the site is reached from here, where not as everybody reaches it.

    Raises Refused for a URL that is not https or a document root that cannot be one, before anything is connected.
    """
    from playbooks.sftponly.driver import PATIENCE, SftpDriver

    fresh = wish.fresh()
    want = with_given(wish, fresh)
    spot = spot_of(wish, want, door)
    opening = Opening(wish.fleet, wish.order, wish.access, accept)
    try:
        driver = SftpDriver(
            opening.host(),
            spot,
            who=who(),
            progress=wish.progress,
            patience=wish.patience or PATIENCE,
        )
        found = None if door is None else lambda: door
        keep = fresh if wish.make_secrets else None
        yield Target(driver, want, wish.progress, found, backups=lambda: backups_of(wish, want), fresh=keep)
    finally:
        opening.close()


def spot_of(wish: Wish, want: Want, door: Door | None) -> Spot:
    """Return what the contract says of its host; a copy is asked through the customer's site."""
    from playbooks.sftponly.ground import Spot
    from playbooks.sftponly.layout import Layout
    from playbooks.sftponly.release import Server
    from playbooks.sftponly.web import Site

    order, slots = wish.order, wish.order.slots
    server = Server(
        slots["dbhost"],
        int(slots["dbport"]),
        slots["dbname"],
        slots["dbuser"],
        want.secrets[DATABASE_PASSWORD.name],
        trial=order.contract if order.copied else "",
    )
    address, authority = (None, None) if door is None else (door.address, door.authority)
    layout = Layout(order.contract, order.document_root or "", order.copied)
    return Spot(layout, Site(order.site or slots["url"], address, authority), server, wish.archives())
