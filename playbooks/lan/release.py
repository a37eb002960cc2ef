"""What a release is on a server. Pure."""

from __future__ import annotations

from crm.plan import Release, Want
from crm.recipe import DATABASE_PASSWORD, Database, PipLock
from crm.release import configuration, digest
from crm.release import lock_of as lock_with

DATABASE: Database = "postgresql"
_LAYOUT = "1"
"""Raised when the folders or units of a release change their meaning, so that older releases get another name."""
NO_PASSWORD = {DATABASE_PASSWORD.name: ""}
"""PostgreSQL knows the customer's user by the socket's peer, so there is no password; the file of it stays empty."""


def lock_of(want: Want) -> PipLock:
    """Return the hashed requirements of what is wanted; raises Refused for what a server cannot install yet."""
    return lock_with(want.recipe, want.version, DATABASE)


def release_of(want: Want) -> Release:
    """Return the release that a contract asks for: the same text for the same public configuration, on every server."""
    recipe = want.recipe
    limits = [[p.name, p.memory_mb, p.cpus] for p in recipe.processes]
    config = digest(
        {
            "layout": _LAYOUT,
            "limits": limits,
            "jobs-memory": [job.memory_mb for job in recipe.jobs],
            **configuration(want, DATABASE),
        }
    )
    return Release(recipe.id, want.version, config, recipe.schema(want.version))
