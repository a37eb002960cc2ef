"""Runs on the host: a customer's PostgreSQL, asked and told by psql as the customer's own user.

A database is an object here, not the path of a file: `psql` (the words that start psql as that user, connected),
`owner` (the user's role), and crmhost's own scripts by their names, `mark` and `query`.
"""

import subprocess
import sys
from typing import Any

_LONGEST = 90.0  # seconds


def run(db: "dict[str, Any]", script: str, values: "dict[str, str]") -> "subprocess.CompletedProcess[bytes]":
    """Run one of the scripts with its variables, which show in process lists."""
    named = [f"--set={name}={value}" for name, value in {"owner": db["owner"], **values}.items()]
    return subprocess.run(  # noqa: S603 - psql, never a shell
        [*db["psql"], *named], input=db[script].encode(), capture_output=True, timeout=_LONGEST, check=False
    )


def value(db: "dict[str, Any]", query: str) -> str:
    """Return the query's one value as text; a missing database or table is an answer too."""
    try:
        done = run(db, "query", {"query": query})
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no answer: {type(error).__name__}: {error}"
    if done.returncode != 0:
        return f"no answer: {done.stderr.decode(errors='replace').strip()}"
    return done.stdout.decode(errors="replace").rstrip("\n")


def mark(spec: "dict[str, Any]", state: str, *, reached: bool = False) -> None:
    """Write a step's record, and with it which schema the database has; ends this program when that cannot be."""
    recipe, version, schema = spec["schema"]
    values = {"name": spec["name"], "state": state, "release": spec["release"]}
    schema_values = {"recipe": recipe, "version": version, "schema": schema, "reached": "yes" if reached else "no"}
    done = run(spec["db"], "mark", {**values, **schema_values})
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-1000:]
        sys.exit(f"the record of {spec['name']} could not be written: {said}")
