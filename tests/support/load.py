"""Load at a constant arrival rate: what a customer's users do while a release is switched.

Requests are due at fixed instants, whether or not earlier ones were answered (an open loop), so a pause shows as
failures and late answers instead of as fewer requests. Even requests go over connections that are kept, odd ones over
new ones; one in ten is a write with a text of its own. An acknowledged write that is not there at the end is lost.
"""

from __future__ import annotations

import http.client
import itertools
import queue
import socket
import ssl
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["ok", "maintenance", "failed"]
TIMEOUT = 30.0
"""Seconds that a user waits for one answer."""


@dataclass(frozen=True)
class Site:
    """Where the site is, what is read, and how a write is made; all of it data.

    url: the customer's; address: where its ingress is reached; authority: the PEM that signs its certificate. Answers
    of `read` must have status 200; `write` is a form at `write_path` whose field `write_field` takes the text, answered
    by 302 or 303.
    """

    url: str
    address: tuple[str, int]
    authority: str
    read_path: str
    write_path: str
    write_field: str
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    """What tells the writes of one load from those of another."""

    @property
    def host(self) -> str:
        """Return the host name that certificates are for."""
        return urllib.parse.urlsplit(self.url).hostname or ""


class Line(http.client.HTTPSConnection):
    """A connection to the ingress in the name of the site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._trust = ssl.create_default_context(cadata=site.authority)
        super().__init__(site.host, context=self._trust, timeout=TIMEOUT)

    def connect(self) -> None:
        """Connect to the address, and be sure of the site's name."""
        plain = socket.create_connection(self._site.address, TIMEOUT)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._trust.wrap_socket(plain, server_hostname=self._site.host)

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str, bool]:
        """Return status, body, and whether the answer says when to come back."""
        headers = {"Host": urllib.parse.urlsplit(self._site.url).netloc, **self._site.headers}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.request(method, path, body, headers)
        response = self.getresponse()
        return response.status, response.read().decode("utf-8", "replace"), "Retry-After" in response.headers


@dataclass
class Tally:
    """What became of the requests. `lost`: acknowledged writes that are not there at the end."""

    sent: int = 0
    failed: list[str] = field(default_factory=list)
    maintenance: int = 0
    acknowledged: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    slowest: float = 0.0
    began: float | None = None
    ended: float | None = None

    def __str__(self) -> str:
        """Return the counts in a line."""
        page = 0.0 if self.began is None or self.ended is None else self.ended - self.began
        return (
            f"{self.sent} sent, {len(self.failed)} failed, {self.maintenance} maintenance answers over {page:.1f} s,"
            f" {len(self.acknowledged)} writes acknowledged, {len(self.lost)} lost, slowest {self.slowest:.2f} s"
        )


@contextmanager
def load(site: Site, written: Callable[[], Collection[str]], rate: float = 50.0, users: int = 32) -> Iterator[Tally]:
    """Send requests at the rate while the body runs; then wait for the last answers and look for every write.

    written: returns the texts that the site holds.
    """
    tally, work, lock, over = Tally(), queue.Queue[tuple[int, float] | None](), threading.Lock(), threading.Event()
    crowd = [threading.Thread(target=_user, args=(site, work, tally, lock), daemon=True) for _ in range(users)]
    arrivals = threading.Thread(target=_arrive, args=(work, rate, over), daemon=True)
    for thread in (*crowd, arrivals):
        thread.start()
    try:
        yield tally
    finally:
        over.set()
        arrivals.join()
        for _ in crowd:
            work.put(None)
        for thread in crowd:
            thread.join()
    there = frozenset(written())
    tally.lost = [text for text in tally.acknowledged if text not in there]


def _arrive(work: queue.Queue[tuple[int, float] | None], rate: float, over: threading.Event) -> None:
    begun = time.monotonic()
    for number in itertools.count():
        due = begun + number / rate
        if over.wait(max(0.0, due - time.monotonic())):
            return
        work.put((number, due))


def _user(site: Site, work: queue.Queue[tuple[int, float] | None], tally: Tally, lock: threading.Lock) -> None:
    kept: Line | None = None
    while (given := work.get()) is not None:
        number, due = given
        line = kept if number % 2 == 0 and kept is not None else Line(site)
        text = (
            f"written {site.mark}-{number}" if number % 10 == number // 10 % 2 else None
        )  # over both sorts of connections
        verdict, detail = _request(site, line, text)
        now = time.monotonic()
        with lock:
            tally.sent += 1
            tally.slowest = max(tally.slowest, now - due)
            if verdict == "failed":
                tally.failed.append(f"{number}: {detail}")
            elif verdict == "maintenance":
                tally.maintenance += 1
                tally.began = now if tally.began is None else tally.began
                tally.ended = now
            elif text is not None:
                tally.acknowledged.append(text)
        if number % 2 == 0 and verdict != "failed":
            kept = line
        else:
            line.close()
            kept = None if line is kept else kept


def _request(site: Site, line: Line, text: str | None) -> tuple[Verdict, str]:
    try:
        if text is None:
            status, body, later = line.ask("GET", site.read_path)
            good = status == 200
        else:
            form = urllib.parse.urlencode({**site.form, site.write_field: text})
            status, body, later = line.ask("POST", site.write_path, form)
            good = status in {302, 303}
    except (OSError, http.client.HTTPException) as problem:
        return "failed", f"{type(problem).__name__}: {problem}"
    if good:
        return "ok", ""
    return ("maintenance", "") if status == 503 and later else ("failed", f"{status} {body[:80]!r}")
