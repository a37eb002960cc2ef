"""A backup proven over SFTP, in a process of its own that is killed meanwhile: ADDRESS KEYS ARCHIVES NUMBER SECONDS."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from crm.backup import Contents
from crm.driver import Progress
from crm.plan import Want
from crm.recipe import Recipe
from crmhost.backup import scratch
from crmhost.backup.scratch import SUFFIX
from crmhost.public import check
from crmhost.sequence import Means
from crmhost.target import Target
from playbooks.sftponly.driver import SftpDriver
from playbooks.sftponly.ground import Spot
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.release import Server
from tests.support.backups import open_backups
from tests.support.memo.recipe import RECIPE, SECRETS, Archives, memo_want
from tests.support.sftpdeployer import NOBODY, Killer
from tests.support.sftphost import LEASE, ROOT, SftpHost

COPY = f"acme{SUFFIX}"
TRIAL = Server("localhost", 3306, "customer_try", "customer_try", "host-gave-that", trial=COPY)
"""The second database that the host gave."""


def give_trial(host: SftpHost) -> None:
    """Make it, as a control panel does; an empty one takes the place of what was there."""
    host.run(
        "mariadb <<'END'\n"
        f"create or replace database {TRIAL.name};\n"
        f"create or replace user {TRIAL.user}@localhost identified by '{TRIAL.password}';\n"
        f"grant all on {TRIAL.name}.* to {TRIAL.user}@localhost;\n"
        "END"
    )


def held(host: SftpHost) -> str:
    """Return what is in it: tables, views and routines."""
    name = f"'{TRIAL.name}'"
    query = (
        f"show tables in {TRIAL.name}; show function status where db = {name}; show procedure status where db = {name}"
    )
    return host.run(f'mariadb -N -e "{query}"')


def copy_want(version: str = "1.0", recipe: Recipe = RECIPE) -> Want:
    """Return what the copy wants, whose administrator has a password of its own."""
    name = "acme.scratch.invalid"
    want = memo_want(version, host=name, url=f"http://{name}")
    secrets = {**SECRETS, "admin-password": "of-the-copy-alone-3", "database-password": str(TRIAL.password)}
    return replace(want, contract=COPY, recipe=recipe, secrets=secrets)


@contextmanager
def copying(host: SftpHost, archives: Archives, progress: Progress = lambda _: None) -> Iterator[SftpDriver]:
    """Give a driver of the copy."""
    with host.reach() as reached:
        spot = Spot(Layout(COPY, ROOT, "acme"), host.site, TRIAL, archives)
        yield SftpDriver(reached, spot, who="ann@test", progress=progress, lease=LEASE, patience=3.0)


def prove(
    host: SftpHost, archives: Archives, progress: Progress = lambda _: None, recipe: Recipe = RECIPE
) -> tuple[Contents, Contents]:
    """Prove the oldest backup, as `crmhost restore --to scratch` does; return what it has, and what was found."""
    shelf = open_backups(archives.folder, "acme")
    snapshot = shelf.list()[-1]
    means = Means(progress, lambda want: check(want, host.door), lambda: shelf)
    with copying(host, archives, progress) as driver:
        want = copy_want(snapshot.release.version, recipe)
        target = Target(driver, want, progress)
        _, found = scratch._used(target, want, shelf, snapshot, means)  # noqa: SLF001 - without a fleet
    return snapshot.contents, found


def main(address: str, keys: str, folder: str, number: str, late: str) -> None:
    """Do it until the event."""
    host = SftpHost(NOBODY, address, Path(keys))
    prove(host, Archives(Path(folder)), Killer(int(number), float(late)))
    os._exit(0)  # it was through before its time


if __name__ == "__main__":
    main(*sys.argv[1:6])
