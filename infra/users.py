"""How many people use a customer's CRM."""

from __future__ import annotations

from crm.errors import HostError
from infra.asking import Site, answer


def count(site: Site) -> int | None:
    """Return the number of active users, or None where the recipe's question cannot be answered now."""
    users = site.want.recipe.users
    try:
        said = answer(site, users)
    except HostError:  # the database is not up
        return None
    return int(said) if users.holds(said) else None
