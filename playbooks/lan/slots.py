"""The values of a recipe's slots on a server, and the port of a release. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from crm.errors import Refused
from crm.plan import Release, Want
from playbooks.lan.layout import SOCKETS, Layout

PORTS = range(20_000, 30_000)
"""Where web processes listen, on loopback: below the ports that Linux gives to connections by itself."""


def values(layout: Layout, want: Want, release: Release, artifact: str, listen: str, port: str) -> Mapping[str, str]:
    """Return every slot's value for a release.

    artifact: its artifact's digest. listen: `host:port` of its web process. port: PostgreSQL's, part of its socket's
    name. There is no redis: what a recipe would tell it goes over a socket in {run}, which on one server does.
    """
    folder, user = layout.artifact(artifact), layout.user
    return {
        **want.slots,
        "version": release.version,
        "listen": listen,
        "python": f"{folder}/bin/python",
        "bin": f"{folder}/bin",
        "app": folder,
        "release": layout.release(release.id),
        "data": layout.data,
        "run": layout.run(release),
        "public": f"{layout.release(release.id)}/public",
        "db": f"postgresql://{user}@/{user}?host={SOCKETS.replace('/', '%2F')}&port={port}",
        "dbhost": SOCKETS,
        "dbport": port,
        "dbname": user,
        "dbuser": user,
        "redis": "",
    }


def free_port(layout: Layout, release: Release, taken: Collection[int]) -> int:
    """Return the port of a release's web process: always the same one, but for those that are taken.

    Raises Refused when all are.
    """
    digest = hashlib.sha256(f"{layout.contract}/{release.id}".encode()).digest()
    first = int.from_bytes(digest[:4]) % len(PORTS)
    for step in range(len(PORTS)):
        port = PORTS[(first + step) % len(PORTS)]
        if port not in taken:
            return port
    raise Refused(f"{layout.contract}: all ports from {PORTS[0]} to {PORTS[-1]} are taken on the server", "free some")
