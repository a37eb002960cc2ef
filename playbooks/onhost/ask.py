"""Runs on the host: asks a question until its answer is the expected one, and prints what it got.

Standard input is a JSON object: `ask` (see `answer`), `expect` (a pattern, searched with DOTALL), `address`
(`host:port` of the web process, or the URL of a web server), `patience` (seconds), and `candidate`: None, or the
program to ask, which is started for the question on a spare port and always ended. Prints one JSON line: `held`,
`answer`, `seconds`, `died`.
"""

import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from typing import Any

from playbooks.onhost.mysql import value as mysql_value
from playbooks.onhost.psql import value as psql_value
from playbooks.onhost.records import connect

PAUSE = 0.05
"""Seconds between the first two questions; each pause is half as long again as the one before, up to a second."""
SHOWN = 4000
"""How many characters of an answer are kept for an error's text."""
BODY = 1 << 20
"""How many bytes of a page are read."""
LISTEN = "crmhost-spare-port"
"""What stands for `host:port` in a candidate's arguments and environment."""
MARK = "X-Crmhost-Release"
"""The header of an answer of the host's own web server that says which release it is of."""
OTHER = "another release answers: "
"""How the answer of a release that was not asked for begins."""
PR_SET_PDEATHSIG = 1
"""See prctl(2)."""


def answer(ask: dict[str, Any], address: str, timeout: float) -> str:
    """Return the answer of `ask`: kind `http` gives `STATUS BODY`, `exec` the output, `sql` the value."""
    if ask["kind"] == "http":
        return fetch(ask, address, timeout)
    if ask["kind"] == "sql":
        return value(ask["db"], ask["query"])
    return output(ask, timeout)


def output(ask: dict[str, Any], timeout: float) -> str:
    """Return what a program of the recipe's prints."""
    try:
        done = subprocess.run(  # noqa: S603 - the recipe's own program, never a shell
            ask["argv"],
            input=ask["stdin"].encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ask["env"]},
            cwd=ask["cwd"],
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    text: str = done.stdout.decode(errors="replace")
    return text


def fetch(ask: dict[str, Any], address: str, timeout: float) -> str:
    """Ask the web process; a redirect is an answer like any other, and so is no answer."""
    import http.client  # here, since most questions are none of HTTP's, and it is slow to import

    try:
        connection, above = connected(address, timeout, sure=ask["body"] is not None)
        try:
            connection.request(ask["method"], above + ask["path"], body=ask["body"], headers=ask["headers"])
            response = connection.getresponse()
            got = f"{response.status} {response.read(BODY).decode(errors='replace')}"
            mine = ask.get("mark") in (None, response.getheader(MARK))
            return got if mine else OTHER + got
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {type(error).__name__}: {error}"


def connected(address: str, timeout: float, *, sure: bool) -> "tuple[Any, str]":
    """Return a connection, and what every path there begins with.

    A host need not reach its own public address: then its loopback is asked, as if it were that. Nor need its list of
    authorities be of this decade: the certificate is looked at from where customers are. sure: all the same nothing is
    sent but to who shows a good one, since a form may hold a secret.
    """
    import http.client
    import ssl
    import urllib.parse

    if "://" not in address:
        host, _, port = address.rpartition(":")
        return http.client.HTTPConnection(host, int(port), timeout=timeout), ""
    parts = urllib.parse.urlsplit(address)
    secure, name = parts.scheme == "https", parts.hostname or ""
    number = parts.port or (443 if secure else 80)
    try:
        wire = socket.create_connection((name, number), timeout)
    except OSError:
        wire = socket.create_connection(("127.0.0.1", number), timeout)
    connection = http.client.HTTPConnection(name, number, timeout=timeout)
    trust = ssl.create_default_context()
    if not sure:
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    connection.sock = trust.wrap_socket(wire, server_hostname=name) if secure else wire
    return connection, parts.path.rstrip("/")


def value(db: "str | dict[str, Any]", query: str) -> str:
    """Return the query's one value as text; a missing database or table is an answer too."""
    if isinstance(db, dict):
        return mysql_value(db, query) if db.get("kind") == "mysql" else psql_value(db, query)
    try:
        connection = connect(db, "ro")
        try:
            row = connection.execute(query).fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return f"no answer: {error}"
    return "" if row is None or row[0] is None else str(row[0])


def patient(spec: dict[str, Any], address: str, process: "subprocess.Popen[bytes] | None") -> dict[str, Any]:
    """Ask until the answer is the expected one, patience has run out, or the process has ended."""
    begun, pause = time.monotonic(), PAUSE
    while True:
        died = None if process is None else process.poll()
        left = spec["patience"] - (time.monotonic() - begun)
        got = answer(spec["ask"], address, max(1.0, min(10.0, left)))
        held = died is None and not got.startswith(OTHER) and re.search(spec["expect"], got, re.DOTALL) is not None
        if held or died is not None or left <= 0:
            seconds = round(time.monotonic() - begun, 3)
            return {"held": held, "answer": got[:SHOWN], "seconds": seconds, "died": died}
        time.sleep(min(pause, left))
        pause = min(1.0, pause * 1.5)


def spare_address() -> str:
    """Return a loopback address that nobody listens on; the candidate fails loudly when it is taken meanwhile."""
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{spare.getsockname()[1]}"


def end_with_parent() -> None:
    """Let the kernel end this process when the program that started it ends, however that ends."""
    import ctypes  # here, since only candidates need it

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(candidate: dict[str, Any], address: str) -> "subprocess.Popen[bytes]":
    """Start the candidate in this process group, its output in a log of its own."""
    pathlib.Path(candidate["run"]).mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(candidate["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as log:
        return subprocess.Popen(  # noqa: S603 - the recipe's own program, never a shell
            [arg.replace(LISTEN, address) for arg in candidate["argv"]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **{name: text.replace(LISTEN, address) for name, text in candidate["env"].items()}},
            cwd=candidate["cwd"],
            preexec_fn=end_with_parent,  # noqa: PLW1509 - no thread was started, and only prctl is called
        )


def end(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """End the candidate, first asking it to."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Read the question, print the answer."""
    spec = json.load(sys.stdin)
    candidate = spec["candidate"]
    if candidate is None:
        result = patient(spec, spec["address"], None)
    else:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda number, _frame: sys.exit(128 + number))
        address = spare_address()
        try:
            process = start(candidate, address)
        except OSError as error:
            result = {"held": False, "answer": str(error), "seconds": 0, "died": 127}
        else:
            try:
                result = patient(spec, address, process)
            finally:
                end(process, candidate["stop"])
    print(json.dumps(result))  # noqa: T201 - the answer
