"""Where a Docker engine is and what proves who is who, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

PATIENCE = 10
"""Seconds until a host that does not answer counts as unreachable."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How one Docker engine is reached.

    `url`: unix:///path, ssh://[user@]host[:port] or tcp://host:port. For ssh:// `key_file` is the only key that is
    offered (absent: the agent and the user's own), `known_hosts` the only file of host keys that is believed (absent:
    the user's own). For tcp:// `tls` is a folder with ca.pem, cert.pem and key.pem.
    """

    url: str
    key_file: Path | None = None
    known_hosts: Path | None = None
    tls: Path | None = None

    @property
    def scheme(self) -> Literal["unix", "ssh", "tcp"]:
        """Return how the engine is reached."""
        return cast(Literal["unix", "ssh", "tcp"], self.url.partition(":")[0])

    @property
    def host(self) -> str:
        """Return the host as people know it; `localhost` for a socket."""
        return urlsplit(self.url).hostname or "localhost"


def ssh_opts(reach: Reach) -> list[str]:
    """Return the options of `ssh` for this host, without user, port and name; none for what is not ssh://.

    They ask nothing at a terminal, offer the one key alone and believe the fleet's host keys alone.
    """
    if reach.scheme != "ssh":
        return []
    options = {"BatchMode": "yes", "StrictHostKeyChecking": "yes", "ConnectTimeout": str(PATIENCE)}
    if reach.known_hosts is not None:
        options["UserKnownHostsFile"] = _quoted(reach.known_hosts)
        options["GlobalKnownHostsFile"] = "/dev/null"
    key = []
    if reach.key_file is not None:
        key = ["-i", str(reach.key_file)]
        options["IdentitiesOnly"] = "yes"
    return key + [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def _quoted(path: Path) -> str:
    """Return a path as ssh's options take it: quoted for its spaces, its percent signs not taken for variables."""
    return '"{}"'.format(str(path).replace("%", "%%"))
