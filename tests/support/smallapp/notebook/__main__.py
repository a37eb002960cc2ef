"""The command line."""

from __future__ import annotations

import sys
from pathlib import Path

from . import commands
from .store import site

COMMANDS = {
    run.__name__: run
    for run in (
        commands.init,
        commands.seed,
        commands.admin,
        commands.register,
        commands.derive,
        commands.pending,
        commands.upgrade,
        commands.job,
        commands.worker,
    )
}


def main(config: str, command: str, *rest: str) -> None:
    """Run one command; `web` takes the address to listen on."""
    here = site(Path(config))
    if command == "web":
        from .web import web

        print(web(here, *rest))  # noqa: T201 - the answer is the output
    else:
        print(COMMANDS[command](here))  # noqa: T201 - the answer is the output


if __name__ == "__main__":
    main(*sys.argv[1:])
