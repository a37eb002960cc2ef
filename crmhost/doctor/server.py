"""Looking at a server with sudo before the first deploy: everything is asked, nothing is changed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crm.errors import CrmhostError
from crm.recipe import Recipe
from crmhost.doctor import lan, outside
from crmhost.doctor.finding import Finding
from crmhost.order import Access
from crmhost.reach import reach
from crmhost.want import Order
from playbooks.kind import Resource
from playbooks.lan.condition import ServerKind, ServerWanted
from playbooks.observe import observe
from playbooks.sudo import NoRoot

if TYPE_CHECKING:
    from crmhost.fleet import Fleet
    from crmhost.target import Accept
    from playbooks.become import Way


def look(fleet: Fleet, order: Order, recipe: Recipe, accept: Accept) -> Iterator[Finding]:
    """Yield what is to be said of an order's server; where the account cannot be root, what it sees without.

    accept: decides about a host that was never seen.
    """
    parts = urlsplit(order.slots["url"])
    ports = tuple(sorted({80, parts.port or (443 if parts.scheme == "https" else 80)}))

    def ask(*, root: bool) -> tuple[str, Way | None, lan.Asked]:
        with reach(fleet, order, Access.of(fleet.settings), accept, root=root) as host:
            before = time.time()
            found = observe(host, (Resource(ServerKind(), order.contract, ServerWanted(ports)),))
            asked = lan.Asked(found.seen[f"condition:{order.contract}"], before, time.time())
            return host.name, host.way, asked

    try:
        try:
            name, way, asked = ask(root=True)
            sudo = lan.became(way)
        except NoRoot as error:
            name, _, asked = ask(root=False)
            sudo = Finding("sudo", error.what, error.remedy)
    except CrmhostError as error:
        yield Finding("ssh", error.what, error.remedy or "Mend that, then run it again.")
    else:
        yield Finding("ssh", name)
        yield sudo
        yield from lan.judge(recipe, ports, asked)
        yield from lan.asked_by(parts.hostname or "", json.loads(order.lan or "{}").get("acme"))
    yield from outside.judge(outside.look(order.slots["url"]), deployed_first=True, front="nginx")
