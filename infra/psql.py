"""The customer's database, asked by PostgreSQL's own client in its container; nothing secret is an argument."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from crm.errors import HostError
from crm.sql import script
from infra import naming
from infra.engine.engine import Engine
from infra.engine.stream import Output


def run(engine: Engine, contract: str, text: str, /, *, within: str = naming.DATABASE_NAME, **variables: str) -> str:
    """Run a script of `crm.sql` as the superuser, in the database `within`, and return what it prints.

    Raises HostError when PostgreSQL is not up, or the script failed.
    """
    output = attempt(engine, contract, text, within=within, **variables)
    if output.code != 0:
        raise HostError(f"{contract}: its database: {complaint(output)}", remedy(contract))
    return output.said


def attempt(
    engine: Engine, contract: str, text: str, /, *, within: str = naming.DATABASE_NAME, **variables: str
) -> Output:
    """Run a script and return its output, however it ended. Its variable `owner` is the CRM's role."""
    given = {"owner": naming.DATABASE_USER, **variables}
    return engine.execute(
        naming.database(contract),
        ("psql", "-XAtq", "--set=ON_ERROR_STOP=1", *(f"--set={key}={value}" for key, value in given.items())),
        stdin=script(text).encode(),
        timeout=60.0,
        user=naming.DATABASE_SYSTEM_USER,
        env={"PGUSER": naming.DATABASE_SYSTEM_USER, "PGDATABASE": within},
    )


def wait(
    engine: Engine, contract: str, *, patience: float = 120.0, clock: Callable[[], float] = time.monotonic
) -> None:
    """Return when the customer's database takes questions; raises HostError with the end of its log when it does not.

    The first start of a new one makes the cluster, which takes seconds.
    """
    until, name = clock() + patience, naming.database(contract)
    while True:
        seen = engine.container(name)
        with contextlib.suppress(HostError):  # it ends at this moment, or has not begun: the next look tells
            if seen is not None and seen.running and attempt(engine, contract, "up").code == 0:
                return
        if seen is None or clock() > until:
            log = "" if seen is None else engine.logs(name, 12).decode("utf-8", "replace")
            raise HostError(f"{contract}: PostgreSQL is not up; its log ends with:\n{log}", remedy(contract))
        time.sleep(0.2)


def complaint(output: Output) -> str:
    """Return what the client said when it failed."""
    return output.stderr.decode(errors="replace").strip()[-1000:] or f"psql ended with {output.code}"


def remedy(contract: str) -> str:
    """Return what to do when PostgreSQL does not answer."""
    return f"Is PostgreSQL up? crmhost status {contract}"
