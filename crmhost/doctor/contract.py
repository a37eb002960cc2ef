"""Looking at the host of a contract before the first deploy: everything is asked, nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from crm.catalogue import find
from crm.errors import CrmhostError, Refused
from crmhost.doctor import outside
from crmhost.doctor.finding import Finding
from crmhost.door import STREET, Door
from crmhost.pins import known, plain
from crmhost.want import Order, early_order, make_want, refuse_stage

if TYPE_CHECKING:
    from contract.model import Contract
    from crm.plan import Want
    from crmhost.doctor.webhost import Asked, Needed
    from crmhost.fleet import Fleet
    from crmhost.hosts import Host as DockerHost
    from crmhost.target import Accept
    from playbooks.host import Host


def examine(fleet: Fleet, name: str, accept: Accept) -> Iterator[Finding]:
    """Yield what is to be said of a contract and its host.

    accept: decides about a host that was never seen. Raises CrmhostError for a contract with mistakes, and Refused for
    a target that nothing is deployed to.
    """
    from contract.amend import at

    now = time.time_ns() // 1000
    contract, file = at(fleet.contract(name), now), fleet.shown(fleet.contract_file(name))
    order = early_order(contract, file)
    want = make_want(order, known(find(order.recipe), plain(fleet.settings)), {})
    if fleet.local and order.kind == "cloud":
        raise Refused(f"{file}: target.docker: says already where the Docker host is", "Run it without --local.")
    yield _stage(contract, file, now)
    if order.kind == "cloud":
        yield from _cloud(fleet, order, want, accept)
    elif order.kind == "lan":
        from crmhost.doctor.server import look

        yield from look(fleet, order, want.recipe, accept)
    elif order.access == "sftp":
        from crmhost.doctor.sftp import examine as over_sftp

        yield from over_sftp(fleet, order, accept)
    else:
        yield from _webhost(fleet, order, want, accept)


def _stage(contract: Contract, file: str, now: int) -> Finding:
    try:
        refuse_stage(contract, file, now)
    except CrmhostError as error:
        return Finding("contract", error.what, error.remedy)
    return Finding("contract", f"{file}: signed, {contract.crm.recipe} {contract.crm.version}")


def _webhost(fleet: Fleet, order: Order, want: Want, accept: Accept) -> Iterator[Finding]:
    from crmhost.doctor import webhost
    from crmhost.order import Access
    from crmhost.reach import reach
    from playbooks.webhost.front import refusal
    from playbooks.webhost.layout import Layout
    from playbooks.webhost.release import artifact_of

    try:
        with reach(fleet, order, Access.of(fleet.settings), accept) as host:
            yield Finding("ssh", host.name)
            layout = Layout(host.home, order.contract, order.front, order.document_root, order.database)
            reason = refusal(want.recipe, layout)
            if reason is not None:
                yield Finding("target", reason, "Change target in the contract; crmhost recipes says what suits.")
                return
            needs = webhost.needed(want.recipe, artifact_of(want), layout, order.slots.get("listen", ""))
            yield from webhost.judge(needs, _asked(host, order.contract, needs))
    except CrmhostError as error:
        yield Finding("ssh", error.what, error.remedy or "Mend that, then run it again.")
    seen = outside.look(order.slots["url"])
    yield from outside.judge(seen, deployed_first=False, front="the host's owner")


def _asked(host: Host, contract: str, needs: Needed) -> Asked:
    """Ask the host everything in one round trip."""
    from crmhost.doctor.webhost import Asked
    from playbooks.kind import Resource
    from playbooks.kinds.cron import CronKind
    from playbooks.observe import observe
    from playbooks.webhost.condition import ConditionKind, ConditionWanted

    job = f"{contract}/doctor"
    resources = (
        Resource(
            ConditionKind(),
            contract,
            ConditionWanted(
                needs.minors, needs.port, needs.served, needs.php.minors if needs.php else (), needs.programs
            ),
        ),
        Resource(CronKind(), job, None),
    )
    before = time.time()
    found = observe(host, resources)
    seen = found.seen
    return Asked(seen[f"condition:{contract}"], found.missing, seen[f"cron:{job}"], before, time.time())


def _cloud(fleet: Fleet, order: Order, want: Want, accept: Accept) -> Iterator[Finding]:
    from crmhost.doctor import engine as engines
    from crmhost.doctor.here import toolchain
    from crmhost.hosts import open_host

    ingress = False
    door = STREET
    try:
        with open_host(fleet, order.contract, accept) as host:
            asked = engines.ask(host.engine, host.settings)
            ingress = any(asked.ingress in one.held for one in asked.doors)
            door = _door(host)
        yield from engines.judge(asked, want.recipe)
    except CrmhostError as error:
        yield Finding("engine", error.what, error.remedy or "Mend that, then run it again.")
    yield from toolchain()
    seen = outside.look(order.slots["url"], door)
    yield from outside.judge(seen, deployed_first=not ingress, front="the ingress")


def _door(host: DockerHost) -> Door:
    """Return how customers' URLs on a Docker host are reached from here, by what the fleet says of its ingress."""
    from infra import sites
    from infra.naming import INGRESS

    ingress = host.settings.ingress
    if ingress.trust is not None:
        return Door(ingress.address, ingress.trust.read_text())
    internal = ingress.certificates == "internal" and host.engine.container(INGRESS) is not None
    return Door(ingress.address, sites.authority(host.engine) if internal else None)
