"""The releases that a host keeps, as each says of itself in its folder. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crm.plan import Release
from crm.steps import Records
from playbooks.manifest import Manifest

KEEP = 3
"""How many proven releases stay, the serving one among them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A release that lies on the host. proven: when it last passed every gate (UTC, ISO 8601), or empty."""

    manifest: Manifest
    proven: str

    @property
    def id(self) -> str:
        """Return the release's name."""
        return self.manifest.release.id


def newest_first(kept: Iterable[Kept]) -> tuple[Kept, ...]:
    """Return the releases, the one that was proven last first, and those that never were at the end."""
    return tuple(sorted(kept, key=lambda one: (one.proven, one.id), reverse=True))


def past(kept: Iterable[Kept], torn: Iterable[str], serving: str) -> tuple[str, ...]:
    """Return the releases to remove once `serving` has proven itself: all but the last few, and failed candidates."""
    every = tuple(kept)
    proven = [one.id for one in every if one.proven and one.id != serving]
    stay = {serving, *proven[: KEEP - 1]}
    return (*(one.id for one in every if one.id not in stay), *(name for name in torn if name != serving))


def artifacts_of(kept: Iterable[Kept]) -> tuple[str, ...]:
    """Return the digests of the releases' artifacts, each once."""
    return tuple(sorted({one.manifest.artifact for one in kept}))


def maker(kept: Iterable[Kept], serving: str | None, records: Records) -> Release | None:
    """Return the release that made the data, as far as one is kept that has its schema: rather the one that serves."""
    if records.schema is None:
        return None
    recipe, version, schema = records.schema
    made_it = [one.manifest.release for one in kept if one.manifest.release.schema == schema]
    made_it.sort(key=lambda one: ((one.recipe, one.version) != (recipe, version), one.id != serving))
    return made_it[0] if made_it else None


def follower(kept: Iterable[Kept], failed: Release) -> Kept | None:
    """Return the release that serves in the place of a failed one: old code never runs on another schema."""
    every = (one for one in kept if one.proven and one.id != failed.id)
    return next((one for one in every if one.manifest.release.schema == failed.schema), None)
