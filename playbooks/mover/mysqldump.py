"""What a backup holds of MySQL or MariaDB, before any of it is restored."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from crm.errors import HostError
from playbooks.onhost.mysqltext import MAGIC


def ours(dump: Iterator[bytes], contract: str) -> Iterator[bytes]:
    """Return the dump, once it has begun as one of MySQL does; raises HostError for another database's."""
    first = next(dump, b"")
    if first and not first.startswith(MAGIC):
        raise HostError(
            f"{contract}: the backup holds another database than the MySQL or MariaDB that the host gave; nothing was"
            " changed",
            "Restore it where the CRM runs on the database that it is of.",
        )
    return itertools.chain((first,), dump) if first else dump
