"""Where everything of a contract lies in the home folder of a web host's account. Pure: paths are text here."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field

from crm.driver import Archives
from crm.errors import Refused
from crm.plan import Release
from crm.recipe import Database
from playbooks.folders import Folders
from playbooks.manifest import Front

SOCKET_PATH_BYTES = 107
"""The longest path of a unix socket: `sun_path` of unix(7) has 108 bytes, the last is a NUL."""
SOCKET_NAME_BYTES = 40
"""What is left to a recipe for the names below {run}, such as `private-customer/socket`."""
_CONTRACT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TAKEN = ("artifacts", "templates")


@dataclass(frozen=True, slots=True)
class Serves:
    """What a contract says of its host: what requests meet there, and the kind of its database."""

    front: Front = "process"
    database: Database = "sqlite"
    archives: Archives | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Layout(Folders):
    """The folders of one contract. `home` is absolute, without a slash at its end, as the host resolved it.

    front: what the contract's requests meet; document_root: the folder that the host serves as files, as the contract
    writes it; database: whether it is a file, or one that the host gave; archives: what brings archives here.
    """

    home: str
    contract: str
    front: Front = "process"
    document_root: str | None = None
    database: Database = "sqlite"
    archives: Archives | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _CONTRACT.fullmatch(self.contract) or self.contract in _TAKEN:
            raise Refused(
                f"{self.contract!r} cannot be a folder below ~/.crmhost",
                f"name the contract with small letters, digits and hyphens, and none of: {', '.join(_TAKEN)}",
            )

    @property
    def copied(self) -> bool:
        """Tell whether this is a copy, which proves a backup; only a copy's name has such a character."""
        return "_" in self.contract

    @property
    def account(self) -> str:
        """Return what crmhost owns on the account, for all contracts."""
        return f"{self.home}/.crmhost"

    @property
    def shared(self) -> str:
        """Return the folder of what the contracts of the account share."""
        return self.account

    @property
    def customers(self) -> str:
        """Return the folder of the contracts' folders."""
        return self.account

    @property
    def root(self) -> str:
        """Return the folder of this contract."""
        return f"{self.account}/{self.contract}"

    @property
    def lock(self) -> str:
        """Return the file that whoever changes this contract holds."""
        return f"{self.root}/lock"

    @property
    def db(self) -> str:
        """Return the SQLite database."""
        return f"{self.data}/db.sqlite3"

    @property
    def access(self) -> str:
        """Return the file that tells our own programs how the host's database is reached; it holds the password."""
        return f"{self.root}/database.json"

    @property
    def records(self) -> str:
        """Return where our programs find the customer's database: the file, or the one that says how it is reached."""
        return self.db if self.database == "sqlite" else self.access

    @property
    def php(self) -> str:
        """Return the link to the host's PHP for programs."""
        return f"{self.root}/php"

    @property
    def served(self) -> str:
        """Return the folder that the host serves as files, absolute; empty where a process serves."""
        if self.front == "process" or self.document_root is None:
            return ""
        return posixpath.normpath(posixpath.join(self.home, self.document_root))

    def alive(self, release: Release) -> str:
        """Return the file that each process of the release holds which the host's Passenger runs."""
        return f"{self.release(release.id)}/alive"

    def busy(self, release: Release) -> str:
        """Return the file that such a process holds while a request is at work in it."""
        return f"{self.release(release.id)}/busy"

    @property
    def closed(self) -> str:
        """Return the file while whose existence Passenger and PHP answer that the site is closed."""
        return f"{self.root}/maintenance"

    @property
    def crossing(self) -> str:
        """Return the file that remembers the last upgrade of the database's schema."""
        return f"{self.root}/upgrade.json"

    @property
    def aside(self) -> str:
        """Return the folder of what was edited by hand, before a deploy overwrote it; made when it is first needed."""
        return f"{self.root}/aside"

    @property
    def page(self) -> str:
        """Return the maintenance page."""
        return f"{self.root}/page/page.html"

    @property
    def output(self) -> str:
        """Return the folder of what the CRM itself prints; beside it the engine keeps a few logs of its own steps."""
        return f"{self.log}/crm"

    @property
    def runs(self) -> str:
        """Return the folder of the processes' locks, above each release's {run}."""
        return f"{self.root}/run"

    def template(self, key: str) -> str:
        """Return one initialised database."""
        return f"{self.templates}/{key}.sqlite3"

    def process_log(self, process: str) -> str:
        """Return a process's log."""
        return f"{self.output}/{process}.log"


def key(layout: Layout, path: str) -> str:
    """Return a path as a resource's key: below the home folder, which is the same on all hosts."""
    return path.removeprefix(layout.home + "/")


def check_run(layout: Layout, release: Release) -> None:
    """Raise Refused when the home folder is so deep that a unix socket below {run} would not fit."""
    path = layout.run(release)
    limit = SOCKET_PATH_BYTES - SOCKET_NAME_BYTES
    if len(path.encode()) > limit:
        raise Refused(
            f"{path} has {len(path.encode())} bytes: the path of a unix socket below it would pass"
            f" {SOCKET_PATH_BYTES} (unix(7)), with {SOCKET_NAME_BYTES} left for the socket's own name",
            "give the account a shorter home folder, or the contract a shorter name",
        )


def check_document_root(layout: Layout, document_root: str | None) -> None:
    """Raise Refused when the host would serve ~/.crmhost as files. A relative root is below the home folder."""
    if document_root is None:
        return
    served = posixpath.normpath(posixpath.join(layout.home, document_root))
    if posixpath.commonpath([served, layout.account]) in (served, layout.account):
        raise Refused(
            f"target.document-root {served} and {layout.account} lie in one another:"
            " the web server could hand out the database and the secrets",
            "let the document root be a folder beside .crmhost, such as public_html",
        )
