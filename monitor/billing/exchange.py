"""One HTTP request that cannot hang, wander or drown its caller.

The whole call has a deadline (a server that sends a byte now and then meets it too), TLS certificates are verified,
redirects are not followed, and an answer longer than MAX_ANSWER is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pycurl

from contract.model import Micros

MAX_ANSWER = 64 * 1024
"""The most bytes of an answer that are read; a receipt needs a hundred."""

_NEVER_ARRIVED = frozenset(
    {
        pycurl.E_UNSUPPORTED_PROTOCOL,
        pycurl.E_URL_MALFORMAT,
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
    }
)
"""The failures that come before the first byte of a request can be sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `body` None is a GET, bytes are a POST. `timeout` (microseconds) is of the whole call."""

    url: str
    headers: Mapping[str, str]
    timeout: Micros
    body: bytes | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What was answered, headers by their lower-case names. `cut`: the body was longer than MAX_ANSWER."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer. `arrived` is False only where the request cannot have reached the server."""

    reason: str
    arrived: bool


@dataclass(slots=True)
class _Sink:
    """Collects one answer; `write` returns less than it was given to make curl stop."""

    body: BytesIO = field(default_factory=BytesIO)
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    def write(self, chunk: bytes) -> int:
        room = MAX_ANSWER - self.body.tell()
        self.body.write(chunk[:room])
        self.cut = len(chunk) > room
        return room if self.cut else len(chunk)

    def header(self, line: bytes) -> None:
        name, colon, value = line.decode("iso-8859-1").partition(":")
        if colon and len(self.headers) < 100:
            self.headers[name.strip().lower()] = value.strip()[:1000]


def exchange(request: Request) -> Response | Failure:
    """Send one request and read its answer. Never raises for what the network or the server does."""
    sink, curl = _Sink(), pycurl.Curl()
    try:
        _prepare(curl, request, sink)
        try:
            curl.perform()
        except pycurl.error as error:
            status = curl.getinfo(pycurl.RESPONSE_CODE)
            if not sink.cut or not status:
                code = error.args[0]
                return Failure(curl.errstr() or f"curl error {code}", arrived=code not in _NEVER_ARRIVED)
        return Response(curl.getinfo(pycurl.RESPONSE_CODE), sink.headers, sink.body.getvalue(), sink.cut)
    finally:
        curl.close()


def _prepare(curl: pycurl.Curl, request: Request, sink: _Sink) -> None:
    milliseconds = max(1, request.timeout // 1000)
    curl.setopt(pycurl.URL, request.url)
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.PROXY, "")
    curl.setopt(pycurl.TIMEOUT_MS, milliseconds)
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, milliseconds)
    curl.setopt(pycurl.SSL_VERIFYPEER, 1)
    curl.setopt(pycurl.SSL_VERIFYHOST, 2)
    curl.setopt(pycurl.USERAGENT, "crmhost")
    if request.ca_file is not None:
        curl.setopt(pycurl.CAINFO, str(request.ca_file))
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in {**request.headers, "Expect": ""}.items()])
    if request.body is not None:
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDS, request.body)
    curl.setopt(pycurl.WRITEFUNCTION, sink.write)
    curl.setopt(pycurl.HEADERFUNCTION, sink.header)
