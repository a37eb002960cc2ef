"""How a customer's URL is reached from here: by DNS and the system's authorities, unless the fleet says otherwise.

A host whose ingress has an authority of its own, or that DNS does not name yet, is reached at its address; the URL's
name is asked for all the same, and its certificate verified.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.request
from dataclasses import dataclass, field
from urllib.parse import SplitResult


@dataclass(frozen=True, slots=True)
class Door:
    """address: (host, port) to connect to instead of the URL's own. authority: certificates (PEM) to believe alone."""

    address: tuple[str, int] | None = None
    authority: str | None = field(default=None, repr=False)

    def context(self) -> ssl.SSLContext:
        """Return what verifies the site's certificate."""
        return ssl.create_default_context(cadata=self.authority)

    def connection(self, url: SplitResult, timeout: float) -> http.client.HTTPConnection:
        """Return a connection to the URL's site, not made yet; `timeout` in seconds."""
        host, port = url.hostname or "", url.port
        if url.scheme == "https":
            return _Https(host, port, timeout=timeout, context=self.context(), door=self)
        return _Http(host, port, timeout=timeout, door=self)

    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """Return what lets urllib's openers go through it; where it has an address, past any proxy."""
        straight = () if self.address is None else (urllib.request.ProxyHandler({}),)
        return (*straight, _HttpHandler(self), _HttpsHandler(self))


STREET = Door()
"""As everybody comes in."""


class _Http(http.client.HTTPConnection):
    def __init__(self, host: str, port: int | None = None, *, timeout: float, door: Door) -> None:
        super().__init__(host, port, timeout=timeout)
        self._door = door

    def connect(self) -> None:
        """Connect to the door's address where it has one."""
        self.sock = socket.create_connection(self._door.address or (self.host, self.port), self.timeout)


class _Https(http.client.HTTPSConnection):
    def __init__(
        self, host: str, port: int | None = None, *, timeout: float, context: ssl.SSLContext, door: Door
    ) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._door, self._verifying = door, context

    def connect(self) -> None:
        """Connect to the door's address where it has one, and verify the certificate for the URL's name."""
        plain = socket.create_connection(self._door.address or (self.host, self.port), self.timeout)
        self.sock = self._verifying.wrap_socket(plain, server_hostname=self.host)


class _HttpHandler(urllib.request.HTTPHandler):
    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open an http:// URL."""
        return self.do_open(_Http, request, door=self._door)  # type: ignore[arg-type]  # urllib passes host and timeout


class _HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open an https:// URL."""
        given = {"context": self._door.context(), "door": self._door}
        return self.do_open(_Https, request, **given)  # type: ignore[arg-type]  # urllib passes host and timeout
