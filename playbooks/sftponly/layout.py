"""Where everything of a contract lies on a host that is reached by SFTP alone. Pure: paths are text, as SFTP has them.

What is kept lies beside the document root, in `.crmhost/CONTRACT`. The document root itself becomes a link to the tree
that serves, so that a release never moves and a switch is one rename.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace

from crm.errors import Refused

ACCOUNT = ".crmhost"
RELEASES, SHUT = "releases", "shut"
"""Below the contract's folder: where a release lies, and where while customers see a page in its place."""
INSTALLER = re.compile(r"crmhost-(ask|work|show)-([0-9a-f]{8})-[0-9a-f]{16}\.php")
"""An installer's name: what it may do, and until when (seconds since 1970, hex) by the web server's clock."""
_CONTRACT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_ROOT = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one contract. document_root: as SFTP sees it; raises Refused for what cannot be one.

    copied: of a copy, to which nobody is ever sent, the contract that it is a copy of. The document root is that one's.
    """

    contract: str
    document_root: str
    copied: str = ""

    def __post_init__(self) -> None:
        if not _CONTRACT.fullmatch(self.contract):
            raise Refused(
                f"{self.contract!r} cannot be a folder below {ACCOUNT}",
                "name the contract with small letters, digits and hyphens",
            )
        if not _ROOT.fullmatch(self.document_root):
            raise Refused(
                f"target.document-root: found {self.document_root!r}, which is no folder that SFTP could list",
                "Write the path that an SFTP client shows, of letters, digits, dots, hyphens and slashes: site/public",
            )

    @property
    def customer(self) -> Layout:
        """Return the layout of the contract that the document root is of: itself, but for a copy."""
        return replace(self, contract=self.copied, copied="") if self.copied else self

    @property
    def base(self) -> str:
        """Return the folder that holds the document root."""
        return posixpath.dirname(self.document_root) or "."

    @property
    def account(self) -> str:
        """Return what crmhost owns on the account, for all contracts beside this document root."""
        return posixpath.join(self.base, ACCOUNT)

    @property
    def root(self) -> str:
        """Return the folder of this contract."""
        return f"{self.account}/{self.contract}"

    @property
    def lock(self) -> str:
        """Return the file that whoever changes this contract has made."""
        return f"{self.root}/lock"

    @property
    def current(self) -> str:
        """Return the link to the release that serves."""
        return f"{self.root}/current"

    @property
    def found(self) -> str:
        """Return where the document root that the host had made is kept, until the contract is destroyed."""
        return f"{self.root}/found"

    def below(self, path: str) -> str:
        """Return a path below the contract's folder."""
        return f"{self.root}/{path}"

    def release(self, release_id: str) -> str:
        """Return one release's folder."""
        return f"{self.root}/releases/{release_id}"

    def served(self, web_root: str) -> str:
        """Return where the document root leads, relative to the folder that holds it."""
        return posixpath.normpath(f"{ACCOUNT}/{self.contract}/current/app/{web_root}")


def relative(target: str, start: str) -> str:
    """Return the path from one folder to another; both absolute and resolved."""
    return posixpath.relpath(target, start)
