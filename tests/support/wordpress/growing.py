"""WordPress in versions that have other schemas: of one archive, so its code does not mind. The last one is broken."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

from crm.recipe import Exec, File, Recipe, Recorded, Slotted, Step
from tests.support.wordpress.recipe import VERSION

NEXT, BROKEN = "6.2", "6.3"
_SCHEMAS = {VERSION: "53496", NEXT: "60000", BROKEN: "70000"}


def growing(recipe: Recipe) -> Recipe:
    """Return the recipe with a version whose upgrade works, and one whose upgrade ruins the data and says nothing."""
    text = resources.files("tests.support.wordpress").joinpath("files/site_upgrade.php.txt").read_text("utf-8")
    run = Exec((Slotted("{php}"), "site_upgrade.php", Slotted("{version}")))
    grow = Step("grow", "upgrade", (run,), Recorded(), ok="the data has grown", again="restore", timeout=120)
    return replace(
        recipe,
        versions=tuple(_SCHEMAS),
        artifacts=dict.fromkeys(_SCHEMAS, recipe.artifacts[VERSION]),
        files=(*recipe.files, File("site_upgrade.php", (text,))),
        steps=(*recipe.steps, grow),
        schema=_SCHEMAS.__getitem__,
    )
