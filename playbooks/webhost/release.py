"""What a release is on a web host. Pure."""

from __future__ import annotations

from crm.plan import Release, Want
from crm.recipe import Database, PipLock
from crm.release import configuration, digest
from crm.release import lock_of as lock_with

DATABASE: Database = "sqlite"
"""What every web host has; a file, so nothing needs to be installed for it."""
_LAYOUT = "1"
"""Raised when the folders of a release change their meaning, so that older releases get another name."""


def lock_of(want: Want) -> PipLock:
    """Return the hashed requirements of what is wanted; raises Refused for what a web host cannot install yet."""
    return lock_with(want.recipe, want.version, DATABASE)


def release_of(want: Want) -> Release:
    """Return the release that a contract asks for: the same text for the same public configuration, on every host."""
    config = digest({"layout": _LAYOUT, **configuration(want, DATABASE)})
    return Release(recipe=want.recipe.id, version=want.version, config=config, schema=want.recipe.schema(want.version))
