"""What is said of a host that gives SFTP alone: all that a plan asks there, without the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from crm.catalogue import find
from crm.errors import CrmhostError
from crmhost.doctor.finding import Finding
from crmhost.order import Access
from crmhost.target import Wish, open_wish

if TYPE_CHECKING:
    from crmhost.fleet import Fleet
    from crmhost.target import Accept
    from crmhost.want import Order


def examine(fleet: Fleet, order: Order, accept: Accept) -> Iterator[Finding]:
    """Yield whether SFTP, PHP and the database can be asked there, and what else a plan notes."""
    recipe = find(order.recipe)
    wish = Wish(fleet, order, Access.of(fleet.settings), recipe, lambda _: None, make_secrets=False, refresh=False)
    try:
        with open_wish(wish, accept) as target:
            reason = target.driver.refuses(recipe)
            if reason is not None:
                yield Finding("target", reason, "Change target in the contract; crmhost recipes says what suits.")
                return
            plan = target.driver.plan(target.want)
    except CrmhostError as error:
        yield Finding("host", error.what, error.remedy or "Mend that, then run it again.")
        return
    yield Finding("sftp", f"{order.user}@{order.host}: {order.document_root} is there, and can be written to")
    yield Finding("php", "runs there as the same account, has the extensions that are needed, and reaches the database")
    for note in plan.notes:
        yield Finding("note", note)
