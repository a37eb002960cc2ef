"""One contract's host, as an operation finds it."""

from __future__ import annotations

from dataclasses import dataclass

from crm.driver import Archives, Progress
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.release import Server
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.web import Site


@dataclass(frozen=True, slots=True)
class Spot:
    """What a contract says of its host, and where archives come from."""

    layout: Layout
    site: Site
    server: Server
    archives: Archives


@dataclass(frozen=True, slots=True)
class Ground:
    """One contract's host, connected. patience: seconds that a candidate has."""

    files: Files
    spot: Spot
    progress: Progress
    patience: float = 30.0
