"""Asking a Docker host, its stack and the customer's database about everything that a contract needs there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import docker.errors

from crm import due as steps
from crm.crossing import going_back
from crm.driver import Progress
from crm.plan import Change, Release, Want
from crm.steps import Due, Records, without_release
from infra import crossings, hoststack, images, moves, naming, psql, records, release, sites, steprun
from infra.drift import Drift, drift
from infra.engine.engine import Engine
from infra.engine.seen import Seen
from infra.foreign import foreign
from infra.moves import Services
from infra.plan import Survey, check, same
from infra.rekeyed import rekeyed
from infra.rollout import Rollout
from infra.settings import HostSettings
from infra.steprun import Ended

if TYPE_CHECKING:
    from infra.stack import Access, Stack

UNBUILT = "sha256:" + "0" * 64
"""Stands for an image that is not built yet, where a plan needs one."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """One contract on its Docker host: the engine, connected; its stack; and who is told what goes on.

    host_access: how the stack of what the host has for all customers is
    run. refresh: let Pulumi, too, look at every resource.
    """

    contract: str
    engine: Engine
    stack: Stack
    settings: HostSettings
    host_access: Access
    who: str
    progress: Progress
    refresh: bool = False


def survey(cloud: Cloud, want: Want) -> Survey:
    """Ask about everything at once; changes nothing.

    Pulumi is asked only where the recorded rollout is not the wanted one, an operation was interrupted, or a refresh
    is asked for. Raises Refused for what cannot be or is not built, HostError when the host cannot be asked.
    """
    engine, wanted_release = cloud.engine, release.release_of(want, cloud.settings.images)
    recorded = cloud.stack.recorded(secrets=True)
    cloud.stack.refuse_another_host()
    with ThreadPoolExecutor(8, "survey") as pool:
        seen = pool.submit(engine.seen, cloud.contract)
        said = pool.submit(_records, cloud, recorded)
        crossing = pool.submit(crossings.read, engine, cloud.contract)
        site = pool.submit(sites.state, engine, want.slots["host"])
        host = pool.submit(hoststack.differs, engine, cloud.settings)
        image = pool.submit(find_image, cloud, want)
        known = pool.submit(_ids, engine, _references(recorded))
        names = pool.submit(engine.names)
        pending = cloud.stack.pending()
        made = None if pending else cloud.stack.made()
        ended = pool.submit(steprun.ended, engine, want)
    found = _of_this_release(said.result(), wanted_release, seen.result(), ended.result())
    wanted = end(cloud, want, recorded, image.result() or UNBUILT)
    result = Survey(
        want=want,
        release=wanted_release,
        wanted=wanted,
        recorded=recorded,
        seen=seen.result(),
        drift=Drift() if recorded is None else drift(recorded, seen.result(), known.result()),
        slot=site.result().slot,
        closed=site.result().closed,
        records=found,
        due=None if going_back(crossing.result(), wanted_release) else due(want, found, wanted_release),
        crossing=crossing.result(),
        built=image.result() is not None,
        host=host.result(),
        common=len(hoststack.VOLUMES) + 2,  # with its network and its ingress
        pending=pending,
        rekeyed=rekeyed(recorded, wanted, want),
        foreign=foreign(filter(None, (recorded, wanted)), seen.result(), names.result(), made),
    )
    check(result)
    return replace(result, preview=_preview(cloud, result))


def end(cloud: Cloud, want: Want, recorded: Rollout | None, image: str) -> Rollout:
    """Return the rollout that the contract wants in the end."""
    wanted = release.release_of(want, cloud.settings.images)
    placed = release.place(want, wanted, image, moves.slot_for(recorded, wanted))
    return moves.final(recorded, cloud.contract, services(cloud, want), placed)


def services(cloud: Cloud, want: Want) -> Services:
    """Return the customer's PostgreSQL and redis."""
    given = cloud.settings.images
    return Services(release.database(want, given), release.redis(want, given))


def due(want: Want, found: Records | None, of: Release) -> Due | None:
    """Return the steps that are due; None while the database is not up. Raises Refused for a database of another."""
    if found is None:
        return None
    steps.check_schema(want.contract, want.recipe, of, found)
    return steps.due(want.recipe, found, of)


def find_image(cloud: Cloud, want: Want) -> str | None:
    """Return the id of the release's image, or None where it is to be built."""
    return images.find(cloud.engine, want.recipe.id, want.version, release.lock_of(want), cloud.settings.images)


def _records(cloud: Cloud, recorded: Rollout | None) -> Records | None:
    """Return what the customer's database says; None where there is none, or it is not up.

    One that was started moments ago, by a deploy that was killed, is waited for.
    """
    database = cloud.engine.container(naming.database(cloud.contract))
    if recorded is None or database is None or not database.running:
        return None
    if database.health == "starting":
        psql.wait(cloud.engine, cloud.contract)
    return records.read(cloud.engine, cloud.contract)


def _of_this_release(found: Records | None, of: Release, seen: Seen, end: Ended | None) -> Records | None:
    """Return the records as they are once a step's unrecorded end is recorded, without what is not there any more.

    What was derived for a release goes with its volume of files.
    """
    if found is None:
        return None
    found = steprun.with_end(found, end)
    return (
        found
        if naming.release_volume(seen.contract, of.config[:12], "files") in seen.volumes
        else without_release(found, of.id)
    )


def _references(rollout: Rollout | None) -> Iterable[str]:
    if rollout is None:
        return ()
    services = (rollout.database, *(() if rollout.redis is None else (rollout.redis,)))
    return {each.image for each in (*services, *rollout.releases) if not each.image.startswith("sha256:")}


def _ids(engine: Engine, references: Iterable[str]) -> Mapping[str, str]:
    """Return the ids of the images that the engine has of these; nothing is pulled."""
    found = {}
    for reference in references:
        with engine.asking(reference):
            try:
                found[reference] = str(engine.client.image(reference)["Id"])
            except docker.errors.ImageNotFound:
                continue
    return found


def _preview(cloud: Cloud, found: Survey) -> tuple[Change, ...] | None:
    """Ask Pulumi where only it can tell; a stack that is not there yet needs no question."""
    differs = not same(found.recorded, found.wanted)
    if found.recorded is None or found.going_back or not (differs or found.pending or cloud.refresh):
        return None
    return cloud.stack.preview(found.wanted, refresh=cloud.refresh or found.drift.refresh)
