"""The customer's site over HTTPS, as a driver asks it where no command runs. What it answers is data."""

from __future__ import annotations

import functools
import http.client
import socket
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime

from crm.errors import Refused

BODY = 4 << 20
"""Bytes of an answer that are read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the site said. status 0: nothing, and `text` says why. clock: its time in seconds since 1970, if it says.

    text: the page; where it sends one, of an empty page that does. ours: a page of ours was run.
    """

    status: int
    text: str
    clock: int | None = None
    ours: bool = False

    def __str__(self) -> str:
        """Return `STATUS BODY`, as a recipe's questions have it."""
        return f"{self.status} {self.text}" if self.status else f"no answer: {self.text}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser asks for, to be passed on. path: with its query; headers: those that are passed on too."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer as it came, with each header as often as it was there. status 0: nothing, and `body` says why."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def ours(self) -> bool:
        """Tell whether a page of ours was run."""
        return any(name.lower() == "x-crmhost" for name, _ in self.headers)


@dataclass(frozen=True, slots=True)
class Site:
    """A site. url: https, without a slash at its end. address: where to connect instead of where DNS says.

    authority: certificates (PEM) to believe alone; None: the system's. Raises Refused for a URL that is not https.
    """

    url: str
    address: tuple[str, int] | None = None
    authority: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise Refused(
                f"crm.url: found {self.url}: an installer's token and the customer's secrets would cross the net"
                " unencrypted",
                "Have the control panel issue a certificate for the domain, and write an https URL.",
            )

    def above(self) -> Site:
        """Return the same site, one folder up; itself where its URL has no path."""
        root, _, path = self.url.removeprefix("https://").partition("/")
        return replace(self, url=f"https://{root}/{path.rpartition('/')[0]}".rstrip("/"))

    def get(self, path: str, timeout: float = 30.0) -> Answer:
        """Ask for a page; a redirect is an answer like any other."""
        return self._ask("GET", path, None, {}, timeout)

    def post(self, path: str, form: Mapping[str, str], timeout: float = 60.0) -> Answer:
        """Send a form. A form is never sent twice."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, urllib.parse.urlencode(form).encode(), headers, timeout)

    def send(self, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        """Send bytes as they are."""
        return self._ask("POST", path, body, {"Content-Type": "application/octet-stream", **headers}, timeout)

    def whole(self, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Whole:
        """Send bytes, and return all that comes within so many seconds; of an answer, `BODY` bytes at most."""
        until = time.monotonic() + timeout
        connection = self._connection(timeout)
        try:
            connection.request("POST", self._below(path), body, headers)
            response = connection.getresponse()
            got = bytearray()
            while len(got) < BODY and (piece := response.read1(BODY - len(got))):
                got += piece
                if time.monotonic() > until:
                    return Whole(0, (), b"the answer takes too long")
            return Whole(response.status, tuple(response.getheaders()), bytes(got))
        except (OSError, http.client.HTTPException) as error:
            return Whole(0, (), (str(error) or type(error).__name__).encode())
        finally:
            connection.close()

    def _connection(self, timeout: float) -> _Https:
        parts = urllib.parse.urlsplit(self.url)
        return _Https(parts.hostname or "", parts.port or 443, timeout, self)

    def _below(self, path: str) -> str:
        return f"{urllib.parse.urlsplit(self.url).path}{path}"

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float) -> Answer:
        connection = self._connection(timeout)
        try:
            connection.request(method, self._below(path), body, {"User-Agent": "crmhost", **headers})
            response = connection.getresponse()
            text = response.read(BODY).decode("utf-8", "replace") or response.headers.get("Location", "")
            return Answer(response.status, text, _clock(response.headers.get("Date")), "X-Crmhost" in response.headers)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, str(error) or type(error).__name__)
        finally:
            connection.close()


class _Https(http.client.HTTPSConnection):
    def __init__(self, host: str, port: int, timeout: float, site: Site) -> None:
        self._verifying = _believing(site.authority)
        super().__init__(host, port, timeout=timeout, context=self._verifying)
        self._to = site.address or (host, port)

    def connect(self) -> None:
        """Connect, and verify the certificate for the URL's name."""
        plain = socket.create_connection(self._to, self.timeout)
        self.sock = self._verifying.wrap_socket(plain, server_hostname=self.host)


@functools.lru_cache(maxsize=8)
def _believing(authority: str | None) -> ssl.SSLContext:
    """Return what verifies the site's certificate; reading the system's authorities takes longer than a request."""
    return ssl.create_default_context(cadata=authority)


def _clock(date: str | None) -> int | None:
    try:
        return None if date is None else int(parsedate_to_datetime(date).timestamp())
    except ValueError:
        return None
