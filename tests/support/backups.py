"""Where tests keep backups: a folder beside the host that they are of."""

from __future__ import annotations

from pathlib import Path

from crmhost.backup.folder import Folder
from crmhost.backup.shelf import Shelf
from crmhost.sequence import micros
from crmhost.vault import make_identity


def open_backups(folder: Path, contract: str) -> Shelf:
    """Return the backups of a contract that a test keeps beside its host, sealed for an identity that is made there."""
    key = folder / "age.key"
    recipients = folder / "age.recipient"
    if not recipients.exists():
        recipients.write_text(make_identity(key))
    who, environment = (recipients.read_text(),), {"CRMHOST_AGE_KEY_FILE": str(key)}
    return Shelf(contract, Folder(folder / "backups" / contract), who, environment, micros)
