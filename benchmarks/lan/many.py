"""`crmhost plan --all`, and deploy, of a fleet whose customers have the small application of the tests.

    python -m benchmarks.lan.many plan|deploy FLEET PARALLEL

Everything is the command's own (contracts, secrets, connections, a process each, the table) but for the recipe, which
is in no catalogue: fifty customers with a real CRM need more memory than a machine for benchmarks has.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from crm.catalogue import find
from crmhost import deploy
from crmhost.fleet import Fleet
from crmhost.fleetwide.child import Tell
from crmhost.fleetwide.choose import Chosen, Job
from crmhost.fleetwide.command import look
from crmhost.fleetwide.ending import Ending, exit_code
from crmhost.fleetwide.pool import run_all
from crmhost.fleetwide.schedule import Rules
from crmhost.fleetwide.show import show_for
from crmhost.order import read_order
from crmhost.target import Wish, open_wish
from tests.support.smallapp.recipe import RECIPE


@dataclass(frozen=True, slots=True)
class Small:
    """The work on one contract. changes: it is deployed, not only planned."""

    fleet: Fleet
    changes: bool

    def __call__(self, contract: str, tell: Tell) -> Ending:
        """Return how it ended; raises CrmhostError."""
        order, access = read_order(self.fleet, contract, time.time_ns() // 1000)
        recipe = RECIPE if order.recipe == RECIPE.id else find(order.recipe)
        wish = Wish(self.fleet, order, access, recipe, tell, make_secrets=self.changes, refresh=False)
        with open_wish(wish, lambda _: False) as target:
            if self.changes:
                outcome = deploy.deploy(target.driver, target.want, target.means(), confirm=lambda _: True)
                return Ending(contract, "deployed" if outcome.did == "deployed" else "nothing", outcome.release, 0)
            plan = deploy.plan(target.driver, target.want)
        tell(plan)
        return Ending(contract, "changes" if plan.changes else "nothing", plan.release.id, len(plan.changes))


def main(verb: str, folder: str, parallel: str) -> int:
    """Work on every contract of a fleet; returns the exit code of the command."""
    begun = time.monotonic()
    fleet = Fleet(Path(folder), dict(os.environ), local=False)
    now, changes = time.time_ns() // 1000, verb == "deploy"
    found = [look(fleet, Chosen(name, named=False), now, changes=changes, refresh=False) for name in fleet.names()]
    jobs = [one for one in found if isinstance(one, Job)]
    refused = [one for one in found if isinstance(one, Ending)]
    show = show_for(len(jobs), as_json=False, at_once=changes)
    # The first one alone brings what they share: the fleet's own rule, one deploy at a time on a server, knows these
    # servers by the names that they are called here.
    rules = Rules(int(parallel), canary=1 if changes else 0)
    ran = run_all(jobs, Small(fleet, changes), rules, show)
    show.close()
    endings = [*refused, *ran.endings]
    code = exit_code(endings, interrupted=ran.interrupted)
    show.total(endings, time.monotonic() - begun, code)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
