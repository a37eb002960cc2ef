"""The recipes that exist, found by id. A recipe's module is imported when it is asked for, and no other."""

from __future__ import annotations

import difflib
from importlib import import_module

from crm.errors import Refused
from crm.explain import explain
from crm.recipe import Recipe

__all__ = ["all_recipes", "explain", "find"]

_MODULES = {"creme": "crm.creme.recipe", "dolibarr": "crm.dolibarr.recipe", "tryton": "crm.tryton.recipe"}
"""Recipe id → the module whose RECIPE it is."""


def find(recipe_id: str) -> Recipe:
    """Return a recipe; raises Refused, with the nearest names, for one that does not exist."""
    if recipe_id not in _MODULES:
        near = difflib.get_close_matches(recipe_id, _MODULES, n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise Refused(
            f"crm.recipe: no recipe is called {recipe_id!r}",
            f"{meant}Known are: {', '.join(sorted(_MODULES))} (crmhost recipes).",
        )
    recipe: Recipe = import_module(_MODULES[recipe_id]).RECIPE
    return recipe


def all_recipes() -> tuple[Recipe, ...]:
    """Return every recipe, sorted by id."""
    return tuple(find(recipe_id) for recipe_id in sorted(_MODULES))
