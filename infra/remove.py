"""A contract leaves its Docker host: what Pulumi made, what crmhost itself made, and the proof that nothing is left."""

from __future__ import annotations

from collections.abc import Iterator

from crm.errors import HostError
from infra import expected, naming, sites
from infra.engine.engine import Engine
from infra.engine.seen import Seen
from infra.stand import Stand

_OURS = frozenset({"lock"})
"""Roles of what is still needed while the proof is made: it goes with the lock."""


def remove_everything(stand: Stand, host: str, *, keep_data: bool) -> None:
    """Remove site, stack and leftovers; with `keep_data` the volumes of the database and the uploads stay.

    May be run again at any time. Raises HostError naming what is still there afterwards.
    """
    cloud = stand.cloud
    stand.held.check()
    sites.remove(cloud.engine, host)
    cloud.stack.destroy(keep_data=keep_data, progress=cloud.progress)
    _sweep(cloud.engine, cloud.contract, keep_data=keep_data)
    left = tuple(leftovers(cloud.engine.seen(cloud.contract), keep_data=keep_data))
    if left:
        raise HostError(
            f"{cloud.contract} was removed, and this is still there: {', '.join(left)}", "Run destroy again."
        )


def leftovers(seen: Seen, *, keep_data: bool) -> Iterator[str]:
    """Yield what should not be there any more. Pure."""
    kept = {naming.journal(seen.contract), *(expected.data_volumes(seen.contract) if keep_data else ())}
    yield from (name for name, each in seen.containers.items() if each.labels.get(naming.LABEL_ROLE) not in _OURS)
    yield from (name for name in seen.volumes if name not in kept)
    yield from seen.networks


def _sweep(engine: Engine, contract: str, *, keep_data: bool) -> None:
    """Remove what no stack knows: containers of steps and questions, and what an interrupted operation left."""
    seen = engine.seen(contract)
    kept = {naming.journal(contract), *(expected.data_volumes(contract) if keep_data else ())}
    for name, each in seen.containers.items():
        if each.labels.get(naming.LABEL_ROLE) not in _OURS:
            engine.remove(name)
    for name in seen.volumes:
        if name not in kept:
            engine.remove_volume(name)
    for name in seen.networks:
        engine.remove_network(name)
