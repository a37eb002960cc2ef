"""Containers that somebody else made under a name that a customer's stack needs. Pure.

crmhost does not delete what it did not make: a plan names them, and a deploy does nothing before they are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crm.errors import Refused
from infra import expected
from infra.engine.reach import Reach
from infra.engine.seen import Seen
from infra.rollout import Rollout


def foreign(
    rollouts: Iterable[Rollout], seen: Seen, names: Mapping[str, str], made: frozenset[str] | None
) -> tuple[str, ...]:
    """Return the names, sorted, of containers in the places of the rollouts' own.

    names: every container's id by its name. made: the ids of those that the stack has made; None: that is not known,
    or a run was cut off, and then whatever has crmhost's labels passes for its own.
    """
    wanted = {each.name for rollout in rollouts for each in expected.containers(rollout)}
    return tuple(
        name
        for name in sorted(wanted & names.keys())
        if name not in seen.containers or (made is not None and names[name] not in made)
    )


def refuse(contract: str, found: tuple[str, ...], reach: Reach) -> None:
    """Raise Refused where there are any."""
    if found:
        raise Refused(
            f"{contract}: crmhost did not make {', '.join(found)}, and needs the name for a container of its own;"
            " nothing was done",
            f"Look at it, then remove it: docker -H {reach.url} rm -f {' '.join(found)}; and deploy again",
        )
