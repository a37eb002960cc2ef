"""The document root: what it leads to, and what of a contract's folder the site must not hand out."""

from __future__ import annotations

import secrets
import time

from crm.errors import Refused
from playbooks.sftponly.layout import ACCOUNT, Layout
from playbooks.sftponly.place import Place
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.web import Site


def serve(files: Files, layout: Layout, place: Place, served: str) -> float:
    """Let the document root lead to what serves, and return for how many seconds it led nowhere.

    What the host had made there is kept until the contract is destroyed.
    """
    if place.root.link is not None:
        return files.link(served, layout.document_root)
    begun = time.monotonic()
    files.rename(layout.document_root, layout.found)
    files.link(served, layout.document_root)
    return time.monotonic() - begun


def check_hidden(files: Files, site: Site, layout: Layout) -> None:
    """Prove that the site does not hand out what lies beside its document root; raises Refused."""
    text, above = secrets.token_hex(16), site.above()
    files.write(layout.below("canary"), text.encode(), 0o644)
    try:
        if text in above.get(f"/{ACCOUNT}/{layout.contract}/canary").text:
            raise Refused(
                f"{above.url}/{ACCOUNT}/ hands out what crmhost keeps in {layout.root}: configuration, uploads and the"
                " journal would be public",
                "Let the document root be a folder whose parent no site serves; nothing was sent.",
            )
    finally:
        files.drop(layout.below("canary"))


def recover(files: Files, layout: Layout) -> None:
    """Finish or take back the renames of a switch that was killed between two of them."""
    files.mend(layout.current)
    if files.mend(layout.document_root) or files.entry(layout.document_root) is not None:
        return
    if files.entry(layout.found) is not None:
        files.rename(layout.found, layout.document_root)


def torn(files: Files, layout: Layout) -> bool:
    """Tell whether a switch was killed between two renames, so that the site has no document root."""
    if files.entry(layout.root) is None:
        return False
    return files.entry(layout.document_root) is None or files.torn(layout.current)
