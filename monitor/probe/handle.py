"""One hop as a libcurl easy handle: how it is set up, and what is read out of it when it has ended."""

from __future__ import annotations

import codecs
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pycurl

from contract.model import Micros
from monitor.probe.reason import Stage
from monitor.probe.result import Hop, Phases

MOST_BODY = 1 << 20
"""So much of an answer's body is read, in bytes; what lies beyond is neither kept nor searched."""

USER_AGENT = "crmhost-probe/1"

_QUICK_EXIT = 322
"""CURLOPT_QUICK_EXIT, which pycurl does not name: a resolver that hangs never holds up the loop."""

_TRUSTED = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def trusted_certificates() -> Path | None:
    """Find the file of the certification authorities that this machine trusts, if it has one.

    `SSL_CERT_FILE` goes first. A file rather than a folder: libcurl keeps a parsed file between probes.
    """
    named = ssl.get_default_verify_paths().cafile
    found = [path for path in (named, *_TRUSTED) if path and Path(path).is_file()]
    return Path(found[0]) if found else None


class Body:
    """The beginning of an answer's body, up to `MOST_BODY` bytes; libcurl stops when it is full."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._parts: list[bytes] = []
        self.size = 0

    @property
    def full(self) -> bool:
        """Whether all was read that is ever read."""
        return self.size >= MOST_BODY

    def write(self, data: bytes) -> int | None:
        """Take a part in; libcurl's contract: another number than the data's length ends the transfer."""
        if self._keep:
            self._parts.append(data[: MOST_BODY - self.size])
        self.size += len(data)
        return 0 if self.full else None

    def holds(self, text: str, content_type: str) -> bool:
        """Whether the text is in it, in the character set that the answer names (UTF-8 where it names none)."""
        return text.encode(_charset(content_type), "replace") in b"".join(self._parts)


@dataclass(frozen=True, slots=True)
class Ways:
    """How this machine reaches what it probes.

    ca_file: the authorities to trust; None is libcurl's own default. instead: `HOST:PORT:ADDRESS:PORT` for hosts that
    are connected to elsewhere than where DNS says; name and certificate are the URL's all the same.
    """

    ca_file: Path | None = None
    instead: tuple[str, ...] = ()


def make_handle(url: str, body: Body, timeout: Micros, ways: Ways) -> pycurl.Curl:
    """Make a request on a connection of its own that follows nothing, trusts no proxy and remembers nothing."""
    handle = pycurl.Curl()
    setopt = handle.setopt
    milliseconds = max(1, -(-timeout // 1000))  # rounded up: no probe gives up before its time
    setopt(pycurl.URL, url)
    setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    setopt(pycurl.FOLLOWLOCATION, 0)
    setopt(pycurl.PROXY, "")
    setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    setopt(pycurl.USERAGENT, USER_AGENT)
    setopt(pycurl.TIMEOUT_MS, milliseconds)
    setopt(pycurl.CONNECTTIMEOUT_MS, milliseconds)
    setopt(pycurl.NOSIGNAL, 1)
    setopt(pycurl.FRESH_CONNECT, 1)
    setopt(pycurl.FORBID_REUSE, 1)
    setopt(pycurl.DNS_CACHE_TIMEOUT, 0)
    setopt(_QUICK_EXIT, 1)
    setopt(pycurl.WRITEFUNCTION, body.write)
    if ways.instead:
        setopt(pycurl.CONNECT_TO, list(ways.instead))
    if url.startswith("https:"):
        setopt(pycurl.SSL_SESSIONID_CACHE, 0)
        setopt(pycurl.SSL_VERIFYPEER, 1)
        setopt(pycurl.SSL_VERIFYHOST, 2)
        setopt(pycurl.OPT_CERTINFO, 1)
        if ways.ca_file is not None:
            setopt(pycurl.CAINFO, str(ways.ca_file))
    return handle


def read_hop(handle: pycurl.Curl, url: str) -> Hop:
    """Read what the hop was like; libcurl's times are cumulative, so each phase is a difference."""
    secure = url.startswith("https:")
    resolved, connected, secured, sent, answered = (
        handle.getinfo(info)
        for info in (
            pycurl.NAMELOOKUP_TIME_T,
            pycurl.CONNECT_TIME_T,
            pycurl.APPCONNECT_TIME_T,
            pycurl.PRETRANSFER_TIME_T,
            pycurl.STARTTRANSFER_TIME_T,
        )
    )
    status = handle.getinfo(pycurl.RESPONSE_CODE) or None
    phases = Phases(
        resolve=resolved or None,
        connect=connected - resolved if connected else None,
        tls=secured - connected if secure and secured else None,
        first_byte=answered - sent if status is not None else None,
        total=handle.getinfo(pycurl.TOTAL_TIME_T),
    )
    return Hop(
        url=url,
        status=status,
        phases=phases,
        certificate_expires=_expiry(handle.getinfo(pycurl.INFO_CERTINFO)) if secure else None,
    )


def read_stage(handle: pycurl.Curl, hop: Hop) -> Stage:
    """Read how far a failed hop came."""
    return Stage(
        resolved=hop.phases.resolve is not None,
        connected=hop.phases.connect is not None,
        secured=hop.phases.tls is not None or not hop.url.startswith("https:"),
        answered=hop.phases.first_byte is not None,
        header_bytes=handle.getinfo(pycurl.HEADER_SIZE),
        os_error=handle.getinfo(pycurl.OS_ERRNO),
        verify=handle.getinfo(pycurl.SSL_VERIFYRESULT),
    )


def _expiry(chain: object) -> Micros | None:
    """Find the end of the first certificate of libcurl's chain, the server's own: lists of (name, value) pairs."""
    own = cast(list[list[tuple[str, str]]], chain)[:1]
    for name, value in own[0] if own else ():
        if name == "Expire date":
            try:
                return ssl.cert_time_to_seconds(value) * 1_000_000
            except ValueError:
                return None
    return None


def _charset(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            try:
                return codecs.lookup(value.strip(" \"'")).name
            except LookupError:
                return "utf-8"
    return "utf-8"
