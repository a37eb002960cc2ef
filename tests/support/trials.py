"""A contract by its file, on a shared host that gave a second database for trials: deployed, backed up, proven.

`python -m tests.support.trials` proves a backup that standard input names, and may be killed meanwhile: it prints
`STATE SUBJECT` of each event.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from contract.amend import at
from contract.parse import parse
from crm.backup import Snapshot
from crm.driver import Progress
from crm.plan import Event
from crm.recipe import Recipe
from crmhost import deploy
from crmhost.backup.scratch import Proof, prove_backup
from crmhost.backup.shelf import Shelf, open_shelf
from crmhost.backup.take import take
from crmhost.deploy import Destroy, Outcome
from crmhost.fleet import Fleet
from crmhost.order import Access
from crmhost.pins import Pin
from crmhost.target import Wish, open_wish
from crmhost.vault import make_identity
from crmhost.want import early_order
from tests.support.engine import start
from tests.support.ownprocess import running, say
from tests.support.phpapp.recipe import ARCHIVE, RECIPE, packed
from tests.support.sharedhost import DATABASE, DATABASE_PASSWORD, SharedHost, give_database

TRIAL = "customer_try"
TRIAL_PASSWORD = "an'other $one"  # noqa: S105 -- of a database in a container that lives for one test
SCRATCH = {"dbhost": "localhost", "dbport": "3306", "dbname": TRIAL, "dbuser": TRIAL}
GIVEN = f"{{kind: mysql, name: {DATABASE}, user: {DATABASE}, scratch: {{name: {TRIAL}, user: {TRIAL}}}}}"
CONTRACT = """\
contract: acme
customer: {{name: ACME Co., language: vi}}
crm: {{recipe: {recipe}, version: "{version}", url: {url}/}}
target:
  kind: webhost
  host: {host}
  user: customer
  front: {front}
  {more}
  database: {database}
term: {{signed: 2026-01-10}}
"""
PINS: tuple[Pin, ...] = (("phpapp-1.0", ARCHIVE.sha256, "guestbook.tar.gz"),)


def silent(_: Event) -> None:
    """Say nothing."""


@dataclass
class Trial:
    """A fleet with one contract. folder: the fleet's; changes: what its order says instead of its file."""

    host: SharedHost
    folder: Path
    recipe: Recipe = RECIPE
    pins: tuple[Pin, ...] = PINS
    changes: Mapping[str, Any] = field(default_factory=dict)

    def begin(self, front: str = "php", more: str = "document-root: public_html", database: str = GIVEN) -> Trial:
        """Make the fleet, the contract and, as a hosting panel does, both databases."""
        give_database(self.host)
        give_trial(self.host)
        (self.folder / "contracts").mkdir(parents=True)
        recipient = make_identity(self.folder / "age.key")
        (self.folder / "recipient").write_text(recipient)
        (self.folder / "guestbook.tar.gz").write_bytes(packed())
        (self.folder / "known_hosts").write_bytes(self.host.known_hosts.read_bytes())
        (self.folder / "crmhost.yaml").write_text(f"fleet: Test Hosting\nrecipients: [{recipient}]\n")
        said = {"recipe": self.recipe.id, "version": "1.0", "url": self.host.url, "host": self.host.address}
        text = CONTRACT.format(**said, front=front, more=more, database=database)
        (self.folder / "contracts" / "acme.yaml").write_text(text)
        vault = self.fleet.vault
        vault.set("acme", "database-password", DATABASE_PASSWORD)
        vault.set("acme", "scratch-database-password", TRIAL_PASSWORD)
        return self

    @property
    def fleet(self) -> Fleet:
        """Return the fleet."""
        return Fleet(self.folder, {"CRMHOST_AGE_KEY_FILE": str(self.folder / "age.key")})

    @property
    def shelf(self) -> Shelf:
        """Return the contract's backups."""
        return open_shelf(self.fleet, "acme")

    def wish(self, progress: Progress = silent, *, make_secrets: bool = False) -> Wish:
        """Return what a command asks for."""
        parsed = parse((self.folder / "contracts" / "acme.yaml").read_bytes(), "acme.yaml")
        assert parsed.contract is not None, parsed.problems
        order = replace(early_order(at(parsed.contract, 0), "contracts/acme.yaml"), **self.changes)
        recipients = ((self.folder / "recipient").read_text(),)
        access = Access(str(self.host.key), recipients, ssh_config="none", archives=self.pins)
        return Wish(self.fleet, order, access, self.recipe, progress, make_secrets=make_secrets, refresh=False)

    def deploy(self, *, public: bool = True) -> Outcome:
        """Deploy it. public: see it at its URL, which on this host leads to Passenger and PHP alone."""
        with open_wish(self.wish(make_secrets=True), lambda _: False) as target:
            seen = target if public else replace(target, public=lambda _: None)
            return deploy.deploy(target.driver, target.want, seen.means(), confirm=lambda _: True)

    def back_up(self) -> Snapshot:
        """Make a backup."""
        with open_wish(self.wish(), lambda _: False) as target:
            return take(target.driver, target.want, self.shelf, "asked", target.means())

    def prove(self, snapshot: Snapshot, progress: Progress = silent) -> Proof:
        """Bring a copy up, log in to it, and remove it."""
        return prove_backup(self.wish(progress), self.shelf, snapshot)

    def destroy(self) -> None:
        """Remove what is there."""
        with open_wish(self.wish(), lambda _: False) as target:
            deploy.destroy(target.driver, target.want, Destroy(backup=False), target.means())

    def get(self, path: str) -> str:
        """Return the status and the body of a page as the customer gets it."""
        with closing(http.client.HTTPConnection(self.host.address, 80, timeout=60)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return f"{response.status} {response.read().decode(errors='replace')}"

    def tables(self) -> list[str]:
        """Return what is in the database for trials."""
        shown = f"show tables in {TRIAL}; show procedure status where db = '{TRIAL}'"
        return [line for line in self.host.sql(shown).split("\n") if line]

    def customers(self) -> str:
        """Return all that lies on the account of the customer's, but for logs, and all in his database."""
        ours = "-path ./.crmhost/acme/log -prune -o -path './.crmhost/artifacts/*/*' -prune"
        told = r"! -type d -printf '%p %s %m %l %T@\n' -o -printf '%p %m\n'"
        files = self.host.run(f"find . {ours} -o {told} | sort")
        lines = self.host.run("crontab -l 2>/dev/null; find public_html -type f -exec md5sum {} +")
        rows = f"mariadb-dump --skip-dump-date --routines {DATABASE} | md5sum"
        return files + lines + self.host.run(rows, user="root")


def give_trial(host: SharedHost) -> None:
    """Make the database for trials, as a hosting panel does."""
    quoted = TRIAL_PASSWORD.replace("'", "''")
    host.sql(
        f"create or replace database {TRIAL} character set utf8mb4;"
        f"create or replace user {TRIAL}@localhost identified by '{quoted}';"
        f"grant all on {TRIAL}.* to {TRIAL}@localhost"
    )


@contextmanager
def proving(trial: Trial, snapshot: Snapshot) -> Iterator[subprocess.Popen[str]]:
    """Prove a backup in a process of its own; what is left of it ends with the block."""
    spec = {"host": trial.host.told(), "folder": str(trial.folder), "backup": snapshot.id}
    with running("tests.support.trials", spec) as process:
        yield process


def main(spec: dict[str, Any]) -> None:
    """Prove what standard input names."""
    with closing(start().client()) as client:
        trial = Trial(SharedHost.found(client, spec["host"]), Path(spec["folder"]))
        trial.prove(trial.shelf.find(spec["backup"]), say)


if __name__ == "__main__":
    main(json.load(sys.stdin))
