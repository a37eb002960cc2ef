"""The values of a recipe's slots in a container. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from crm.plan import Release, Want
from infra import naming

LISTEN = f"0.0.0.0:{naming.WEB_PORT}"
"""What a web process binds: its container's own addresses, and nothing of the host's is published."""
PYTHON = f"{naming.APP_FOLDER}/bin/python"


def values(want: Want, release: Release) -> Mapping[str, str]:
    """Return every slot's value for a release. Nothing but its version differs between releases of a contract."""
    server = f"{naming.DATABASE_HOST}:{naming.DATABASE_PORT}"
    return {
        **want.slots,
        "version": release.version,
        "listen": LISTEN,
        "python": PYTHON,
        "bin": f"{naming.APP_FOLDER}/bin",
        "app": naming.APP_FOLDER,
        "release": naming.RELEASE_FOLDER,
        "data": naming.DATA_FOLDER,
        "run": naming.RUN_FOLDER,
        "public": f"{naming.RELEASE_FOLDER}/public",
        "db": f"postgresql://{naming.DATABASE_USER}@{server}/{naming.DATABASE_NAME}",
        "dbhost": naming.DATABASE_HOST,
        "dbport": str(naming.DATABASE_PORT),
        "dbname": naming.DATABASE_NAME,
        "dbuser": naming.DATABASE_USER,
        "redis": f"redis://{naming.REDIS_HOST}:{naming.REDIS_PORT}/0" if want.recipe.redis else "",
    }
