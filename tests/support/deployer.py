"""A deploy in a process of its own, which a test may kill: `python -m tests.support.deployer ROOT SSH-PORT …`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from crm.errors import CrmhostError
from crmhost import deploy
from crmhost.public import check
from crmhost.sequence import Means
from playbooks.connect import Address, connect
from playbooks.course import Patience
from playbooks.webhost.driver import WebHostDriver
from tests.support.backups import open_backups
from tests.support.wants import small_want


def main(root: str, ssh: str, contract: str, version: str, listen: str, language: str) -> int:
    """Deploy; what it says of itself goes to standard error."""
    want = small_want(version, url=f"http://{listen}", listen=listen, language=language)
    folder = Path(root)
    address = Address("sandbox", "127.0.0.1", int(ssh))
    try:
        with connect(
            address, folder / "known_hosts", key_file=folder / "ssh" / "client", accept_new=lambda _: True
        ) as host:
            driver = WebHostDriver(
                host,
                contract,
                document_root=None,
                who="killed@test",
                progress=lambda _: None,
                patience=Patience(10.0, 10.0),
            )
            deploy.deploy(
                driver,
                replace(want, contract=contract),
                Means(lambda _: None, lambda want: check(want, patience=5.0), lambda: open_backups(folder, contract)),
                confirm=lambda _: True,
            )
    except CrmhostError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
