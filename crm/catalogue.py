"""The recipes that exist, found by id. A recipe's module is imported when it is asked for, and no other."""

from __future__ import annotations

import difflib
from importlib import import_module

from crm.errors import Refused
from crm.explain import explain
from crm.measured import MEASURED, Measured
from crm.recipe import Recipe

__all__ = ["all_measured", "all_recipes", "explain", "find", "find_any"]

_MODULES = {
    "creme": "crm.creme.recipe",
    "dolibarr": "crm.dolibarr.recipe",
    "espocrm": "crm.espocrm.recipe",
    "tryton": "crm.tryton.recipe",
}
"""Recipe id → the module whose RECIPE it is."""


def find(recipe_id: str) -> Recipe:
    """Return a recipe that can be deployed; raises Refused for one that is only measured, or does not exist."""
    found = find_any(recipe_id)
    if isinstance(found, Measured):
        raise found.only_measured()
    return found


def find_any(recipe_id: str) -> Recipe | Measured:
    """Return a recipe, or a service that is only measured; raises Refused, with the nearest names, for neither."""
    if recipe_id in MEASURED:
        return MEASURED[recipe_id]
    if recipe_id not in _MODULES:
        known = sorted((*_MODULES, *MEASURED))
        near = difflib.get_close_matches(recipe_id, known, n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise Refused(
            f"crm.recipe: no recipe is called {recipe_id!r}",
            f"{meant}Known are: {', '.join(known)} (crmhost recipes).",
        )
    recipe: Recipe = import_module(_MODULES[recipe_id]).RECIPE
    return recipe


def all_recipes() -> tuple[Recipe, ...]:
    """Return every recipe, sorted by id."""
    return tuple(find(recipe_id) for recipe_id in sorted(_MODULES))


def all_measured() -> tuple[Measured, ...]:
    """Return every service that is only measured, sorted by id."""
    return tuple(MEASURED[recipe_id] for recipe_id in sorted(MEASURED))
