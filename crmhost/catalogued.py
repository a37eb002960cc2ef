"""What a contract names and the catalogue of CRMs does not have, so that no deploy of it can begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from contract.explain import Finding
from crm.catalogue import find_any
from crm.errors import Refused
from crm.measured import Measured

if TYPE_CHECKING:
    from contract.model import Contract
    from contract.problem import Path


def unknown(contract: Contract) -> Iterator[Finding]:
    """Yield a recipe that nobody knows, or versions that it does not have; of a service run by others nothing."""
    if contract.target.kind == "saas":
        return
    try:
        recipe = find_any(contract.crm.recipe)
    except Refused as refused:
        yield Finding(("crm", "recipe"), refused.remedy[:1].lower() + refused.remedy[1:].rstrip("."))
        return
    if isinstance(recipe, Measured):
        return  # what is only measured cannot be deployed, and `crmhost plan` says so
    for path, version in _versions(contract):
        if version is not None and version not in recipe.versions:
            yield Finding(path, f"write one that is known of {recipe.title}: {', '.join(recipe.versions)}")


def _versions(contract: Contract) -> Iterator[tuple[Path, str | None]]:
    yield ("crm", "version"), contract.crm.version
    for number, amendment in enumerate(contract.amendments):
        if amendment.crm is not None:
            yield ("amendments", number, "crm", "version"), amendment.crm.version
