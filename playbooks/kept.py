"""The releases that a host keeps, as each says of itself in its folder. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crm.errors import HostError
from crm.plan import Release
from crm.steps import Records
from playbooks.manifest import Manifest, decode

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


@dataclass(frozen=True, slots=True)
class Place:
    """What lies in a contract's folder on a host.

    serving: the id of the release that `current` names; kept: newest proof first, then what never served; torn: ids of
    folders without a manifest that can be read.
    """

    serving: str | None
    kept: tuple[Kept, ...]
    torn: tuple[str, ...]

    @property
    def settled(self) -> bool:
        """Tell whether the way that leads customers to a release is the one that was proven with it."""
        return True

    def find(self, release_id: str | None) -> Kept | None:
        """Return the kept release of that name."""
        return next((kept for kept in self.kept if kept.id == release_id), None)

    def before(self, release_id: str) -> Kept | None:
        """Return the proven release that served last, other than this one."""
        return next((kept for kept in self.kept if kept.id != release_id and kept.proven), None)


def sorted_out(contract: str, folders: Iterable[tuple[str, str, str]]) -> tuple[tuple[Kept, ...], tuple[str, ...]]:
    """Return the releases, the one that was proven last first, and the names of the folders that are none.

    Each folder among the releases is told by its name, the text of its manifest, and when it was proven.
    """
    kept, torn = [], []
    for name, text, proven in folders:
        try:
            manifest = decode(text, f"{contract}/releases/{name}/release.json")
        except HostError:
            torn.append(name)
            continue
        if manifest.release.id == name:
            kept.append(Kept(manifest, proven.strip()))
        else:
            torn.append(name)
    return tuple(sorted(kept, key=lambda one: (one.proven, one.id), reverse=True)), tuple(torn)


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
