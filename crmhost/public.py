"""The last gate of a deploy: the customer's own URL, asked from here with its certificate verified."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from crm.errors import GateFailed
from crm.plan import Want
from crm.recipe import Ask, Http
from crmhost.door import STREET, Door
from crmhost.question import question

TIMEOUT = 10.0
"""Seconds for one request."""
PATIENCE = 20.0
"""Seconds until the answer must be the expected one: a front end may need some to see its new back end."""
PAUSE = 0.2
BODY = 1 << 20
"""Bytes of the page that are read."""


def check(
    want: Want,
    door: Door = STREET,
    *,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask the public URL the recipe's question until it is answered well; raises GateFailed when patience runs out."""
    ask = question(want)
    url = want.slots["url"]
    until = clock() + patience
    while True:
        got = fetch(url + _path(ask), TIMEOUT, door)
        if ask.holds(got):
            return
        if clock() >= until:
            raise GateFailed(f"{url}{_path(ask)} answered {got[:200]!r}, not {ask.expect!r}")
        sleep(PAUSE)


def fetch(url: str, timeout: float, door: Door = STREET) -> str:
    """Return `STATUS BODY`, or why there was no answer. A redirect is an answer like any other."""
    parts = urlsplit(url)
    connection = door.connection(parts, timeout)
    try:
        connection.request("GET", parts.path or "/", headers={"User-Agent": "crmhost"})
        response = connection.getresponse()
        return f"{response.status} {response.read(BODY).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {str(error) or type(error).__name__}"
    finally:
        connection.close()


def _path(ask: Ask) -> str:
    return ask.how.path if isinstance(ask.how, Http) else "/"
