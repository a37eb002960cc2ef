"""Proving a backup: a copy of its own is brought up from it on the same host, used as a customer would, and removed.

Nothing of the customer's is touched and nobody is sent to the copy: it has its own database, files and processes (on a
Docker host its own network and volumes, on others its own folder), and no site and no jobs.
The copy's administrator gets a password of the copy's own, so the customer may have changed his.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crm.backup import Contents, Snapshot
from crm.bundle import read_keys
from crm.driver import Work
from crm.errors import GateFailed, HostError, Refused
from crm.plan import Release, Want
from crm.recipe import SCRATCH_PASSWORD, Exec, Recipe, Recorded, Secret, Step
from crm.slots import login_parts
from crmhost.backup.shelf import Shelf
from crmhost.door import Door
from crmhost.login import prove
from crmhost.sequence import Means, gate, locked, micros, run_steps
from crmhost.want import ADMIN, Order

if TYPE_CHECKING:
    from crm.driver import Progress
    from crmhost.fleet import Fleet
    from crmhost.target import Target, Wish

SUFFIX = "_try"
"""No contract's name has such a character, so a copy is never taken for a customer, in this fleet or another one.

It is short, since it is part of the paths of a copy's sockets, of which a kernel allows no long ones.
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found: the counts are those of the backup, and the administrator came in. seconds: of the whole."""

    snapshot: Snapshot
    release: Release
    found: Contents
    seconds: float


def prove_backup(wish: Wish, shelf: Shelf, snapshot: Snapshot) -> Proof:
    """Bring up a copy from the backup, log in to it, count, and remove it; the backup is marked as proven then.

    `wish` is what the contract itself is deployed by. Raises CrmhostError where any of it fails; the copy is removed
    all the same.
    """
    from crmhost.target import open_wish

    order = copy_of(wish.order, snapshot.release.version)
    check_apart(wish.order, order)
    copied = replace(wish, order=order, make_secrets=False, refresh=False)
    with open_wish(copied, lambda _: False) as target:
        means = target.means()
        begun = means.clock()
        with means.phase("backup", snapshot.id, "read through"):
            shelf.verify(snapshot)
            keys = shelf.read(snapshot, read_keys)
        want = replace(target.want, secrets={**target.want.secrets, **keys})
        release, found = _used(target, want, shelf, snapshot, means)
    proven = shelf.mark_proven(snapshot.id)
    return Proof(proven, release, found, means.clock() - begun)


def wish_of(fleet: Fleet, name: str, progress: Progress) -> Wish:
    """Return what a contract of the fleet is deployed by."""
    from crm.catalogue import find
    from crmhost.order import read_order
    from crmhost.target import Wish

    order, access = read_order(fleet, name, micros())
    return Wish(fleet, order, access, find(order.recipe), progress, make_secrets=False, refresh=False)


def copy_of(order: Order, version: str) -> Order:
    """Return the order of a copy that runs that version, which nobody outside its own network can reach. Pure.

    Where the host gave the customer's database, the copy's is the second one that it gave; raises Refused without one.
    """
    if order.database == "mysql" and not order.scratch:
        raise Refused(
            f"{order.file}: target.database: a copy needs a database of its own, and this one is the only one that"
            " the host gave, in which the customer works; nothing was done",
            "Make a second database and its account in the host's panel, and write them into the contract:"
            " target.database.scratch: {name: acme_try, user: acme_try}. Then store its password:"
            f" crmhost secrets set {order.contract} {SCRATCH_PASSWORD.name}",
        )
    name = f"{order.contract}{SUFFIX}"
    host = f"{order.contract}.scratch.invalid"
    slots = {**order.slots, **order.scratch, "host": host, "url": f"http://{host}"}
    of, site, lan = order.contract, order.slots["url"], _unopened(order.lan)
    return replace(order, contract=name, version=version, slots=slots, scratch={}, lan=lan, copied=of, site=site)


def check_apart(order: Order, copy: Order) -> None:
    """Raise Refused for a copy whose database, which is emptied, is the customer's, whatever the file says. Pure."""
    from contract.given import same_database

    if order.database == "sqlite":
        return
    his, its = ((one.slots["dbhost"], one.slots["dbname"]) for one in (order, copy))
    if same_database(his, its):
        raise Refused(
            f"{order.file}: target.database.scratch: {its[1]} on {its[0]} is the database in which the customer works,"
            " and a copy's is emptied; nothing was done",
            "Name a second database, made in the host's panel for this alone.",
        )


def _unopened(said: str) -> str:
    """Return what a contract says of its server, for a copy: its firewall stays as the others on the server ask."""
    return json.dumps({**json.loads(said), "firewall": None, "opens": False}, sort_keys=True) if said else ""


def letting_in(recipe: Recipe) -> tuple[Step, ...]:
    """Return the recipe's steps that give the administrator the password of the login form, to be run once more. Pure.

    Only those that are safe to repeat; they are asked nothing before, since in a backup they are done already.
    """
    asked = {part.name for part in login_parts(recipe.login) if isinstance(part, Secret)}
    return tuple(
        replace(step, done=Recorded())
        for step in recipe.steps
        if step.phase == "admin" and step.again == "safe" and asked & _told(step)
    )


def _told(step: Step) -> set[str]:
    texts = (text for way in step.ways for text in ((way.stdin,) if isinstance(way, Exec) else way.form.values()))
    return {part.name for text in texts for part in text if isinstance(part, Secret)}


def _used(target: Target, want: Want, shelf: Shelf, snapshot: Snapshot, means: Means) -> tuple[Release, Contents]:
    """Bring the copy up, use it, and remove it, whatever happens meanwhile."""
    release = target.driver.plan(want).release
    with locked(target.driver, f"prove {snapshot.id}", means) as work:
        try:
            found = _filled(work, want, shelf, snapshot, means)
            gate(work, want, release, means)
            with means.phase("gate", "log in"):
                _log_in(target, want, release)
        finally:
            with means.phase("retire", want.contract):
                work.destroy(keep_data=False)
    return release, found


def _filled(work: Work, want: Want, shelf: Shelf, snapshot: Snapshot, means: Means) -> Contents:
    mover = work.mover()
    if mover is None:
        raise HostError(f"{want.contract}: this kind of target moves no data", "")
    with means.phase("stage", want.contract):
        mover.fetch(want)
        mover.halt(want)
    with means.phase("backup", snapshot.id, "restored into a copy and counted"):
        found = shelf.load(snapshot.id, lambda source: mover.load(want, source))
    run_steps(work, want, means, upgrades=True)
    for step in letting_in(want.recipe):
        with means.phase("steps", step.name, "for the copy alone"):
            work.run(want, step)
    return found


def _log_in(target: Target, want: Want, release: Release) -> None:
    password = want.secrets["admin-password"]
    with target.driver.inside(release) as address:
        proof = prove(want.recipe, want.slots["url"], ADMIN, password, door=Door(address))
    if proof.administrator != "accepted":
        raise GateFailed(
            f"the copy is up, but its administrator is not let in: {proof.text}",
            "The backup is not proven. Is the account called `admin` still there, and active?",
        )
