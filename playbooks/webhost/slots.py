"""The values of a recipe's slots on a web host. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from crm.plan import Release, Want
from crm.recipe import Archive
from playbooks.manifest import Manifest
from playbooks.webhost.layout import Layout
from playbooks.webhost.release import artifact_of

HOST_PYTHON = "python3"
"""What runs our own programs where the release has no Python of its own."""


def python_of(layout: Layout, manifest: Manifest) -> str:
    """Return the Python that runs our own programs for a release."""
    return HOST_PYTHON if manifest.front == "php" else f"{layout.artifact(manifest.artifact)}/bin/python"


def values(layout: Layout, want: Want, release: Release, artifact: str) -> Mapping[str, str]:
    """Return every slot's value for a release; `artifact` is its artifact's digest.

    There is no redis, and without a database that the host gave those slots are empty. `records` is no slot: it says
    where our own programs find the database.
    """
    folder = layout.artifact(artifact)
    unpacked = isinstance(artifact_of(want), Archive)
    return {
        **want.slots,
        **({} if layout.front == "process" else {"listen": want.slots["url"]}),
        "version": release.version,
        "python": HOST_PYTHON if unpacked else f"{folder}/bin/python",
        "bin": f"{folder}/bin",
        "php": layout.php,
        "app": f"{layout.release(release.id)}/app" if unpacked else folder,
        "release": layout.release(release.id),
        "data": layout.data,
        "run": layout.run(release),
        "public": f"{layout.release(release.id)}/public",
        "records": layout.records,
        "redis": "",
        **_database(layout, want),
    }


def _database(layout: Layout, want: Want) -> Mapping[str, str]:
    if layout.database == "sqlite":
        return {"db": layout.db, **dict.fromkeys(("dbhost", "dbport", "dbname", "dbuser"), "")}
    host, port, name, user = (want.slots[key] for key in ("dbhost", "dbport", "dbname", "dbuser"))
    return {"db": f"mysql://{user}@{host}:{port}/{name}"}
