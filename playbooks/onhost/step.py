"""Runs on the host: one step of a recipe, between its two records.

Standard input is a JSON object: `db` (a path, or an object of `playbooks.onhost.psql`), `reached` (with this step the
database has the schema), `name`, `release`, `schema` ([recipe, version, schema]), `argv`, `env`, `cwd`,
`stdin`, `ok` (a pattern on the output), `secrets` (texts that are masked wherever the output goes), `log`. Prints one
JSON line: `ok`, `code`, `output` (its end). The record is written before anything is printed, and a reader that has
gone away does not stop the step. `guard` (None, or `ask`, `expect`, `address` as in `ask`): when it holds already the
step is only recorded (`same`), and after the step it must hold.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from typing import Any

from playbooks.onhost.ask import answer
from playbooks.onhost.mysql import mark as mysql_mark
from playbooks.onhost.psql import mark as psql_mark
from playbooks.onhost.records import mark

SHOWN = 4000
"""How many characters of the output are kept for an error's text."""


def masked(text: str, secrets: "list[str]") -> str:
    """Return the text without the secrets, the longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def holds(guard: dict[str, Any]) -> bool:
    """Tell whether the recipe's own question says that the step is done."""
    got = answer(guard["ask"], guard["address"], 60)
    return re.search(guard["expect"], got, re.DOTALL) is not None


def record(spec: dict[str, Any], state: str) -> None:
    """Write the step's record; with the end of the last step of an upgrade the database has another schema."""
    reached = state == "finished" and spec["reached"]
    if isinstance(spec["db"], dict) and spec["db"].get("kind") == "mysql":
        mysql_mark(spec, state, reached=reached)
    elif isinstance(spec["db"], dict):
        psql_mark(spec, state, reached=reached)
    else:
        mark(spec["db"], spec["name"], state, spec["release"], spec["schema"], reached=reached)


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Run the step between its records; what it printed decides, since exit codes lie."""
    guard = spec["guard"]
    if guard is not None and holds(guard):
        record(spec, "finished")
        return {"ok": True, "same": True, "code": 0, "output": ""}
    record(spec, "started")
    code, output = program(spec)
    ok = re.search(spec["ok"], output, re.DOTALL) is not None
    if ok and guard is not None and not holds(guard):
        ok, output = False, output + "\nit printed so, and yet the recipe's question says that it is not done\n"
    output = masked(output, spec["secrets"])
    descriptor = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as log:
        log.write(f"--- {spec['name']} of {spec['release']}: exit {code}\n{output}\n")
    if ok:
        record(spec, "finished")
    return {"ok": ok, "same": False, "code": code, "output": output[-SHOWN:]}


def program(spec: dict[str, Any]) -> "tuple[int, str]":
    """Run the step's program; one that cannot be started is an answer too."""
    try:
        done = subprocess.run(  # noqa: S603 - the recipe's own program, never a shell
            spec["argv"],
            input=spec["stdin"].encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **spec["env"]},
            cwd=spec["cwd"],
            check=False,
            close_fds=False,  # the lock's descriptor: whoever is at work on the database holds it
        )
        return done.returncode, done.stdout.decode(errors="replace")
    except OSError as error:
        return 127, str(error)


def main() -> None:
    """Read the step, run it, print how it went."""
    result = run(json.load(sys.stdin))
    with contextlib.suppress(OSError):
        print(json.dumps(result), flush=True)  # noqa: T201 - the answer
