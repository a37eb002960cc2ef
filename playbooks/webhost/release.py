"""What a release is on a web host. Pure."""

from __future__ import annotations

from crm.plan import Release, Want
from crm.recipe import Artifact, Database, PipLock
from crm.release import artifact_of as artifact_with
from crm.release import configuration, digest
from crm.release import lock_of as lock_with
from playbooks.manifest import Front

_LAYOUT = "1"
"""Raised when the folders of a release change their meaning, so that older releases get another name."""


def database_of(want: Want) -> Database:
    """Return the kind of the contract's database: what the host gave, else a file, for which nothing is installed."""
    return "mysql" if want.slots.get("dbname") else "sqlite"


def artifact_of(want: Want) -> Artifact:
    """Return what the wanted version is made of; raises Refused for one that is unknown or not pinned."""
    return artifact_with(want.recipe, want.version, database_of(want))


def lock_of(want: Want) -> PipLock:
    """Return the hashed requirements of what is wanted; raises Refused for what is no Python package."""
    return lock_with(want.recipe, want.version, database_of(want))


def release_of(want: Want, front: Front = "process") -> Release:
    """Return the release that a contract asks for: the same text for the same public configuration, on every host."""
    served = {} if front == "process" else {"front": front}
    config = digest({"layout": _LAYOUT, **served, **configuration(want, database_of(want))})
    return Release(recipe=want.recipe.id, version=want.version, config=config, schema=want.recipe.schema(want.version))
