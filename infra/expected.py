"""What a rollout must look like on the engine, as it is asked there without Pulumi. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra import naming
from infra.rollout import Limits, Placed, Rollout, Runs, Service

ONCE_LIMITS = Limits(64, "1.0")
"""Of the containers that run once; as `infra.components.files` has them."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One container as it must be.

    networks: network → the aliases there that others rely on. once: it has run to its end, with exit code 0. release:
    the id of the release that it is of. rekeyed: how often the secrets that it was started with had been changed.
    """

    name: str
    role: str
    image: str
    user: str
    limits: Limits
    networks: Mapping[str, frozenset[str]]
    once: bool = False
    release: str | None = None
    rekeyed: int = 0


def containers(rollout: Rollout) -> tuple[Expected, ...]:
    """Return the containers of a rollout, in the order in which they depend on one another."""
    contract = rollout.contract
    found = [
        _once(naming.database_files(contract), rollout.database.image, None, rollout.database.rekeyed),
        _service(contract, naming.database(contract), "db", rollout.database, naming.DATABASE_SYSTEM_USER),
    ]
    if rollout.redis is not None:
        found.append(_service(contract, naming.redis(contract), "redis", rollout.redis, "redis"))
    for placed in rollout.releases:
        name = naming.release_volume(contract, placed.tag, "files")
        found.append(_once(name, placed.image, placed.release.id, placed.rekeyed))
        found += [_process(contract, placed, runs) for runs in rollout.running(placed)]
    return tuple(found)


def volumes(rollout: Rollout) -> tuple[str, ...]:
    """Return the names of a rollout's volumes; those with a customer's data first."""
    contract = rollout.contract
    kinds: tuple[naming.ReleaseVolume, ...] = ("files", "run")
    return (
        naming.database(contract),
        naming.data(contract),
        naming.database_files(contract),
        *(naming.release_volume(contract, placed.tag, kind) for placed in rollout.releases for kind in kinds),
    )


def data_volumes(contract: str) -> tuple[str, ...]:
    """Return the names of the volumes that cannot be made again."""
    return naming.database(contract), naming.data(contract)


def _once(name: str, image: str, release: str | None, rekeyed: int) -> Expected:
    return Expected(name, "files", image, "0:0", ONCE_LIMITS, {}, once=True, release=release, rekeyed=rekeyed)


def _service(contract: str, name: str, role: str, service: Service, user: str) -> Expected:
    aliases = {"db": naming.DATABASE_HOST, "redis": naming.REDIS_HOST}
    networks = {naming.network(contract): frozenset({aliases[role]})}
    return Expected(name, role, service.image, user, service.limits, networks, rekeyed=service.rekeyed)


def _process(contract: str, placed: Placed, runs: Runs) -> Expected:
    web = runs.name == "web"
    networks = {naming.network(contract): frozenset[str]()}
    if web:
        networks[naming.EDGE] = frozenset({naming.web_alias(placed.slot, placed.host)})
    return Expected(
        name=naming.process(contract, placed.tag, runs.name),
        role=runs.name,
        image=placed.image,
        user=f"{naming.UID}:{naming.UID}",
        limits=runs.limits,
        networks=networks,
        release=placed.release.id,
        rekeyed=placed.rekeyed,
    )
