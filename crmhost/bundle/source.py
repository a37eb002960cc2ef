"""The machine where a bundle's packages are gathered, and what is asked for: the acting side of `crmhost bundle`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from crm.catalogue import find
from crm.driver import Progress
from crm.errors import Refused
from crm.plan import Event
from crmhost.bundle.gather import Wanted, gather
from crmhost.bundle.ground import Ground
from crmhost.bundle.make import Gather, Phase
from crmhost.fleet import Fleet
from crmhost.order import read_order
from crmhost.reach import reach
from crmhost.target import Accept, Wish


def wish_of(fleet: Fleet, name: str, progress: Progress) -> Wish:
    """Return what a bundle of the contract is made for, with all secrets; raises what `read_order` raises."""
    order, access = read_order(fleet, name, time.time_ns() // 1000)
    return Wish(fleet, order, access, find(order.recipe), progress, make_secrets=True, refresh=False)


def machine(wish: Wish, on: str, accept: Accept) -> Gather:
    """Return what gathers on the machine of that address, without root; raises Refused for what is no address."""
    remedy = "As in --on ssh://build@mirror.example:2222"
    try:
        parts = urlsplit(on)
        port = parts.port or 0
    except ValueError:
        raise Refused(f"--on {on!r}: is no address", remedy) from None
    if parts.scheme != "ssh" or not parts.hostname or not parts.username or parts.path.strip("/") or parts.password:
        raise Refused(f"--on {on!r}: is not ssh://USER@HOST", remedy)
    order = replace(wish.order, user=parts.username, host=parts.hostname, port=port, jump=())
    fleet = replace(wish.fleet, local=False)

    def fetch(wanted: Wanted, folder: Path) -> Ground:
        with reach(fleet, order, wish.access, accept) as host:
            return gather(host, wanted, folder)

    return fetch


def phases(progress: Progress) -> Phase:
    """Return what tells of phases, as deploys do."""

    @contextmanager
    def phase(name: str, subject: str) -> Iterator[None]:
        begun = time.monotonic()
        progress(Event(name, subject, "begin"))
        try:
            yield
        except BaseException:
            progress(Event(name, subject, "failed", seconds=time.monotonic() - begun))
            raise
        progress(Event(name, subject, "done", seconds=time.monotonic() - begun))

    return phase
