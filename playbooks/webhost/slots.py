"""The values of a recipe's slots on a web host. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from crm.plan import Release, Want
from playbooks.webhost.layout import Layout


def values(layout: Layout, want: Want, release: Release, artifact: str) -> Mapping[str, str]:
    """Return every slot's value for a release; `artifact` is its artifact's digest.

    A web host has a database file, and neither a database server nor redis: those slots are empty.
    """
    folder = layout.artifact(artifact)
    return {
        **want.slots,
        "version": release.version,
        "python": f"{folder}/bin/python",
        "bin": f"{folder}/bin",
        "app": folder,
        "release": layout.release(release.id),
        "data": layout.data,
        "run": layout.run(release),
        "public": f"{layout.release(release.id)}/public",
        "db": layout.db,
        **dict.fromkeys(("dbhost", "dbport", "dbname", "dbuser", "redis"), ""),
    }
