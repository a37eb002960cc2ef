"""What a fleet says of CRMs' archives: their checksums where a recipe has none, and files for closed networks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from crm.recipe import Recipe
    from crmhost.settings import Settings

Pin: TypeAlias = tuple[str, str, str]
"""(recipe and version, SHA-256 or nothing, a file's path or nothing)."""


def plain(settings: Settings) -> tuple[Pin, ...]:
    """Return the pins of crmhost.yaml as plain texts."""
    return tuple((pin.of, pin.sha256 or "", pin.file or "") for pin in settings.archives)


def known(recipe: Recipe, pins: Iterable[Pin]) -> Recipe:
    """Return the recipe with the fleet's checksums; raises Refused for one that contradicts the recipe's own."""
    from crm.release import pinned

    return pinned(recipe, {of: sha256 for of, sha256, _ in pins if sha256})


def files(folder: Path, recipe: Recipe, pins: Iterable[Pin]) -> Mapping[str, Path]:
    """Return the fleet's own copies of a pinned recipe's archives, by SHA-256; paths are relative to its `folder`."""
    from crm.recipe import Archive
    from crm.release import pin_name

    named = {of: folder / Path(file).expanduser() for of, _, file in pins if file}
    return {
        artifact.sha256: named[pin_name(recipe.id, version)]
        for version, artifact in recipe.artifacts.items()
        if isinstance(artifact, Archive) and pin_name(recipe.id, version) in named
    }
