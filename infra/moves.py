"""From one rollout of a stack to the next: what the sequence asks Pulumi for, in its order. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crm.plan import Release
from infra.rollout import Placed, Rollout, Service, Slot


@dataclass(frozen=True, slots=True)
class Services:
    """A customer's PostgreSQL and, where the recipe uses one, redis."""

    database: Service
    redis: Service | None


def slot_for(recorded: Rollout | None, release: Release) -> Slot:
    """Return the upstream that a release takes: its own where it has one, else the one that what serves has not."""
    if recorded is None:
        return "a"
    own = find(recorded, release, kept=False)
    if own is not None:
        return own.slot
    taken = recorded.served or (recorded.releases[0] if recorded.releases else None)
    return "b" if taken is not None and taken.slot == "a" else "a"


def find(recorded: Rollout | None, release: Release, *, kept: bool = True) -> Placed | None:
    """Return a release as the stack holds it, or keeps it as data for a rollback."""
    if recorded is None:
        return None
    placed = (*recorded.releases, *((recorded.previous,) if kept and recorded.previous is not None else ()))
    return next((each for each in placed if each.release == release), None)


def at(placed: Placed, slot: Slot) -> Placed:
    """Return the release in that upstream."""
    return replace(placed, slot=slot)


def final(recorded: Rollout | None, contract: str, services: Services, placed: Placed) -> Rollout:
    """Return the rollout in which the release alone exists and serves; what served before is kept as data."""
    return Rollout(
        contract,
        _database(recorded, services),
        services.redis,
        releases=(_counted(recorded, placed),),
        serving=placed.release.id,
        previous=_before(recorded, services, placed),
    )


def staged(recorded: Rollout | None, contract: str, services: Services, placed: Placed, *, waiting: bool) -> Rollout:
    """Return the rollout with the release beside the one that serves; it is the final one where it serves already."""
    served = None if recorded is None else recorded.served
    if served is not None and served.release == placed.release:
        return final(recorded, contract, services, placed)
    own, previous = _counted(recorded, placed), None if recorded is None else recorded.previous
    if previous is not None:
        previous = None if previous.release == placed.release else _kept(recorded, services, previous)
    return Rollout(
        contract,
        _database(recorded, services),
        services.redis,
        releases=(own,) if served is None else (served, own),
        serving=None if served is None else served.release.id,
        previous=previous,
        waiting=waiting,
    )


def halted(recorded: Rollout | None, contract: str, services: Services, placed: Placed) -> Rollout:
    """Return the rollout in which no process of any release runs, and one release waits for its steps."""
    return Rollout(
        contract,
        _database(recorded, services),
        services.redis,
        releases=(_counted(recorded, placed),),
        serving=None,
        previous=_before(recorded, services, placed),
        waiting=True,
    )


def without_candidate(recorded: Rollout) -> Rollout | None:
    """Return the rollout with what serves alone; None where nothing does."""
    served = recorded.served
    return None if served is None else replace(recorded, releases=(served,), waiting=False)


def alone(recorded: Rollout | None, release: Release) -> bool:
    """Tell whether the stack holds no other release: only then may the database get another password."""
    return recorded is None or all(each.release == release for each in recorded.releases)


def _database(recorded: Rollout | None, services: Services) -> Service:
    """Return PostgreSQL, with the number of times that its passwords were changed."""
    now = services.database
    if recorded is None:
        return now
    before = recorded.database
    return replace(now, rekeyed=before.rekeyed + (before.files != now.files))


def _counted(recorded: Rollout | None, placed: Placed) -> Placed:
    """Return the release, with the number of times that a secret of it was changed while the stack held it.

    Its files are otherwise the same: what is public in them makes another release.
    """
    before = find(recorded, placed.release, kept=False)
    return placed if before is None else replace(placed, rekeyed=before.rekeyed + (before.files != placed.files))


def _kept(recorded: Rollout | None, services: Services, previous: Placed) -> Placed:
    """Return what is kept for a rollback: without its files once the database has another password than they say."""
    same = recorded is None or recorded.database.files == services.database.files
    return previous if same else replace(previous, files=())


def _before(recorded: Rollout | None, services: Services, placed: Placed) -> Placed | None:
    """Return what a rollback from the release goes back to."""
    if recorded is None:
        return None
    found = recorded.served
    if found is None or found.release == placed.release:
        found = recorded.previous
    return None if found is None or found.release == placed.release else _kept(recorded, services, found)
