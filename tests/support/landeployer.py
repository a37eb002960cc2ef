"""A deploy to a LAN server in a process of its own, which a test may kill.

`python -m tests.support.landeployer`, told on standard input what to do; what it says of itself goes to standard error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker.models.containers import Container

from crm.errors import CrmhostError
from crmhost.lancertificate import Pair
from tests.support.lanhost import LanHost
from tests.support.lans import LanCustomer

_REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Deployer:
    """A process that is up and waits to be told what to deploy."""

    process: subprocess.Popen[str]

    def deploy(self, customer: LanCustomer, version: str, language: str, timeout: float = 300.0) -> str:
        """Let it deploy; returns what it said once it has ended, however that was."""
        lan = customer.lan
        told = {
            "host": [lan.container.id, lan.address, str(lan.key), lan.public, str(lan.known_hosts)],
            "contract": customer.contract,
            "root": [customer.root.certificate, customer.root.key],
            "pair": [customer.pair.certificate, customer.pair.key],
            "version": version,
            "language": language,
        }
        return self.process.communicate(json.dumps(told), timeout)[1]


@contextmanager
def deployer() -> Iterator[Deployer]:
    """Start one, which does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.landeployer"],
        cwd=_REPOSITORY,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Deployer(process)
        finally:
            process.kill()


def main() -> int:
    """Deploy what standard input says."""
    told = json.load(sys.stdin)
    container, address, key, public, known_hosts = told["host"]
    lan = LanHost(Container(attrs={"Id": container}), address, Path(key), public, Path(known_hosts))
    customer = LanCustomer(lan, told["contract"])
    customer.root, customer.pair = Pair(*told["root"]), Pair(*told["pair"])
    try:
        customer.deploy(told["version"], language=told["language"])
    except CrmhostError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
