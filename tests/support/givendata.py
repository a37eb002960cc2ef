"""WordPress on a shared host whose MySQL the host gave, with a place for its backups.

`python -m tests.support.givendata` restores the backup that standard input names, and may be killed meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm.backup import Snapshot
from crm.recipe import Recipe
from crmhost import deploy
from crmhost.backup.shelf import Shelf
from crmhost.backup.take import restore, take
from crmhost.deploy import Destroy, Outcome
from crmhost.sequence import Means, Sure, nobody
from playbooks.webhost.layout import Serves
from tests.support.backups import open_backups
from tests.support.engine import start
from tests.support.hosted import Hosted, means
from tests.support.sharedhost import DATABASE, DATABASE_PASSWORD, SharedHost
from tests.support.wordpress.growing import growing
from tests.support.wordpress.recipe import VERSION
from tests.support.wordpress.recipe import recipe as wordpress

SLOTS = {"dbhost": "localhost", "dbport": "3306", "dbname": DATABASE, "dbuser": DATABASE}
ADMIN_PASSWORD = "Pa55 'wörd\" $x {y}"  # noqa: S105 - of a container that lives for one test
SECRETS = {
    "admin-password": ADMIN_PASSWORD,
    "database-password": DATABASE_PASSWORD,
    "secret-key": "k3y 'with\" {braces} \\ and % signs",
}


@dataclass
class Given(Hosted):
    """The contract. folder: where its backups are kept, beside the host."""

    folder: Path = Path()

    @property
    def shelf(self) -> Shelf:
        """Return its backups."""
        return open_backups(self.folder, self.contract)

    def keeping(self, sure: Sure = nobody) -> Means:
        """Return the sequence's means, with the backups."""
        given = means()
        return Means(given.progress, given.public, lambda: self.shelf, sure)

    def upgrade(self, version: str) -> Outcome:
        """Deploy a version, of whatever schema."""
        with self.driver() as driver:
            return deploy.deploy(driver, self.want(version), self.keeping(), confirm=lambda _: True)

    def go_back(self, version: str, sure: Sure) -> Outcome:
        """Roll back."""
        with self.driver() as driver:
            return deploy.rollback(driver, self.want(version), None, self.keeping(sure))

    def remove(self) -> Outcome:
        """Remove it, and keep what it held."""
        with self.driver() as driver:
            return deploy.destroy(driver, self.want(), Destroy(keep_data=False, backup=True), self.keeping())

    def back_up(self, version: str = VERSION) -> Snapshot:
        """Make a backup."""
        with self.driver() as driver:
            return take(driver, self.want(version), self.shelf, "asked", self.keeping())

    def restore(self, snapshot: Snapshot, *, keep: bool = False) -> Outcome:
        """Put a backup back."""
        with self.driver() as driver:
            given = self.keeping(lambda _: True)
            return restore(driver, self.want(VERSION), self.shelf, snapshot, given, keep=keep)


def given(host: SharedHost, recipe: Recipe, archive: Path, folder: Path) -> Given:
    """Return the contract on a host."""
    serves = Serves("php", "mysql", lambda _: archive)
    return Given(
        host, serves, recipe=recipe, version=VERSION, secrets=SECRETS, slots={**SLOTS, "admin": "anna"}, folder=folder
    )


@contextmanager
def restoring(site: Given, archive: Path, sha256: str, snapshot: Snapshot) -> Iterator[subprocess.Popen[bytes]]:
    """Restore a backup in a process of its own; what is left of it ends with the block."""
    host = site.host
    spec = {
        "host": [str(host.container.id), host.address, str(host.key), host.public, str(host.known_hosts)],
        "archive": str(archive),
        "sha256": sha256,
        "folder": str(site.folder),
        "backup": snapshot.id,
    }
    command = [sys.executable, "-m", "tests.support.givendata"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(spec).encode())
        process.stdin.close()
        try:
            yield process
        finally:
            process.kill()


def main(spec: dict[str, Any]) -> None:
    """Restore what standard input names."""
    container, address, key, public, known = spec["host"]
    with closing(start().client()) as client:
        host = SharedHost(client.containers.get(container), address, Path(key), public, Path(known))
        site = given(host, growing(wordpress(spec["sha256"])), Path(spec["archive"]), Path(spec["folder"]))
        site.restore(next(one for one in site.shelf.list() if one.id == spec["backup"]))


if __name__ == "__main__":
    main(json.load(sys.stdin))
