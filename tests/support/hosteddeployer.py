"""A deploy of the guestbook in a process of its own, which a test may kill: it prints `STATE SUBJECT` of each event."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from playbooks.webhost.layout import Serves
from tests.support.engine import start
from tests.support.hosted import Hosted
from tests.support.ownprocess import running, say
from tests.support.phpapp.recipe import RECIPE
from tests.support.sharedhost import SharedHost


@contextmanager
def deploying(hosted: Hosted, archive: Path) -> Iterator[subprocess.Popen[str]]:
    """Run it; what is left of it ends with the block."""
    given = {
        "host": hosted.host.told(),
        "archive": str(archive),
        "secrets": dict(hosted.secrets),
        "slots": dict(hosted.slots),
    }
    with running("tests.support.hosteddeployer", given) as process:
        yield process


def main(given: dict[str, Any]) -> None:
    """Deploy what standard input says."""
    serves = Serves("php", "mysql", lambda _: Path(given["archive"]))
    with closing(start().client()) as client:
        host = SharedHost.found(client, given["host"])
        Hosted(host, serves, recipe=RECIPE, secrets=given["secrets"], slots=given["slots"]).deploy(progress=say)


if __name__ == "__main__":
    main(json.load(sys.stdin))
