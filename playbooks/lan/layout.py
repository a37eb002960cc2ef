"""Where everything of a contract lies on a server, and what its things are called. Pure: paths are text here.

The engine (lock, journal, staging) lies below `playbooks.rootcommand.HOME`. Artifacts and templates are shared by the
server's customers; everything else is in a folder of the contract's own, which only its system user may enter.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from crm.errors import Refused
from crm.plan import Release
from playbooks.folders import Folders
from playbooks.rootcommand import HOME

BASE = "/var/lib/crmhost"
PARCELS = f"{BASE}/parcels"
"""Where the packages lie that were brought to a server without a network."""
SOCKETS = "/var/run/postgresql"
"""Where Debian's PostgreSQL has its sockets."""
USER_BYTES = 31
"""The longest name of an account that Debian's tools make."""
_CONTRACT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:_try)?")
"""The last part is that of a copy which proves a backup; no contract can be called so."""


@dataclass(frozen=True, slots=True)
class Layout(Folders):
    """The names of one contract; raises Refused for one that cannot be part of a unit's and an account's name."""

    contract: str

    def __post_init__(self) -> None:
        if not _CONTRACT.fullmatch(self.contract):
            raise Refused(
                f"{self.contract!r} cannot be part of the names of units and accounts on a server",
                "name the contract with small letters, digits and hyphens",
            )

    @property
    def user(self) -> str:
        """Return the system user: also its group, the PostgreSQL role, and the database."""
        whole = f"crm-{self.contract}"
        if len(whole) <= USER_BYTES:
            return whole
        mark = hashlib.sha256(self.contract.encode()).hexdigest()[:8]
        return f"{whole[: USER_BYTES - 9]}-{mark}"

    @property
    def engine(self) -> str:
        """Return the folder of the lock and the journal."""
        return f"{HOME}/.crmhost/{self.contract}"

    @property
    def lock(self) -> str:
        """Return the file that whoever changes this contract holds."""
        return f"{self.engine}/lock"

    @property
    def shared(self) -> str:
        """Return the folder of what all contracts use: artifacts, which everybody may read and only root may write."""
        return BASE

    @property
    def customers(self) -> str:
        """Return the folder of the customers' folders."""
        return f"{BASE}/customers"

    @property
    def root(self) -> str:
        """Return the folder of this contract."""
        return f"{self.customers}/{self.contract}"

    @property
    def tls(self) -> str:
        """Return the folder of the certificate and its key."""
        return f"{self.root}/tls"

    @property
    def aside(self) -> str:
        """Return the folder of what was edited by hand, before a deploy overwrote it: root's alone."""
        return f"{self.root}/aside"

    @property
    def before(self) -> str:
        """Return the folder of the site that served before, until another one is proven: root's alone."""
        return f"{self.root}/before"

    @property
    def unproven(self) -> tuple[str, ...]:
        """Return the folders of what is kept to go back to, until a release has proven itself."""
        return (self.before, f"{self.before}.new")

    @property
    def public(self) -> str:
        """Return the folder of what nginx hands out as files: certificates of authorities."""
        return f"{BASE}/public"

    @property
    def firewall(self) -> str:
        """Return the file with what this contract asks of the server's firewall."""
        return f"{self.root}/firewall.json"

    @property
    def crossing(self) -> str:
        """Return the file that remembers the last upgrade of the database's schema."""
        return f"{self.root}/crossing.json"

    @property
    def parcel(self) -> str:
        """Return the folder of what is installed, where the server fetches nothing itself."""
        return f"{PARCELS}/{self.contract}"

    @property
    def closed(self) -> str:
        """Return the file that is there while customers see the maintenance page."""
        return f"{self.root}/closed"

    @property
    def runs(self) -> str:
        """Return the folder of sockets, which goes with a reboot; units name it below /run."""
        return f"/run/{self.user}"

    @property
    def units(self) -> str:
        """Return a pattern of all units of this contract, and of no other one: no contract's name has a dot."""
        return f"crmhost-{self.contract}.*"

    def template(self, key: str) -> str:
        """Return one initialised database, as pg_dump wrote it."""
        return f"{self.templates}/{key}.dump"

    def unit(self, release: Release, process: str, sort: str = "service") -> str:
        """Return the unit of a release's process; of a job, whose name begins with `job-`, also the timer."""
        return f"crmhost-{self.contract}.{process}.{_mark(release)}.{sort}"

    def process_log(self, process: str) -> str:
        """Return the file with what the steps printed; everything else is in the journal of systemd."""
        return f"{self.log}/{process}.log"


def job(name: str) -> str:
    """Return what a job is called among the processes."""
    return f"job-{name}"


def _mark(release: Release) -> str:
    return release.config[:8]
