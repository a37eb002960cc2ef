"""A deploy of the guestbook in a process of its own, which a test may kill: it prints `STATE SUBJECT` of each event."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from crm.plan import Event
from playbooks.webhost.layout import Serves
from tests.support.engine import start
from tests.support.hosted import Hosted
from tests.support.phpapp.recipe import RECIPE
from tests.support.sharedhost import SharedHost


@contextmanager
def deploying(hosted: Hosted, archive: Path) -> Iterator[subprocess.Popen[str]]:
    """Run it; what is left of it ends with the block."""
    host = hosted.host
    given = {
        "host": [str(host.container.id), host.address, str(host.key), host.public, str(host.known_hosts)],
        "archive": str(archive),
        "secrets": dict(hosted.secrets),
        "slots": dict(hosted.slots),
    }
    command = [sys.executable, "-m", "tests.support.hosteddeployer"]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        json.dump(given, process.stdin)
        process.stdin.close()
        try:
            yield process
        finally:
            process.kill()


def _say(event: Event) -> None:
    sys.stdout.write(f"{event.state} {event.subject}\n")
    sys.stdout.flush()


def main(given: dict[str, Any]) -> None:
    """Deploy what standard input says."""
    container, address, key, public, known = given["host"]
    serves = Serves("php", "mysql", lambda _: Path(given["archive"]))
    with closing(start().client()) as client:
        host = SharedHost(client.containers.get(container), address, Path(key), public, Path(known))
        Hosted(host, serves, recipe=RECIPE, secrets=given["secrets"], slots=given["slots"]).deploy(progress=_say)


if __name__ == "__main__":
    main(json.load(sys.stdin))
