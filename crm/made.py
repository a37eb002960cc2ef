"""Which secrets were used to make what lies on a target, where a fleet lacks some: those must not be made up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crm.steps import Records


def made_with(secrets: frozenset[str], releases: Iterable[Sequence[str] | None], *, data: bool) -> frozenset[str]:
    """Return which of the secrets were used there.

    releases: the names of secrets that each release there says it was made with, None for one that says nothing. data:
    the customer's database holds something. Where something is there and nothing is said, it may have been all of them.
    """
    every = tuple(releases)
    said = [names for names in every if names is not None]
    if said:
        return secrets & {name for names in said for name in names}
    return secrets if every or data else frozenset()


def holds(records: Records) -> bool:
    """Tell whether a database holds something: not one that is not there, or begins as a template."""
    return not records.template and (bool(records.steps) or records.schema is not None or records.others > 0)
