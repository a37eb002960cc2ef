"""The customer's URL as it is seen from here: its name in DNS, and what answers at its port."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from crmhost.doctor.finding import Finding
from crmhost.door import STREET, Door

TIMEOUT = 5.0
"""Seconds for the connection to the URL's port."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What was seen. addresses: of the URL's host, sorted; unknown: why there are none.

    refused: why no connection was made. untrusted: why its certificate is not believed. Empty where nothing is wrong.
    """

    url: str
    addresses: tuple[str, ...] = ()
    unknown: str = ""
    refused: str = ""
    untrusted: str = ""


def look(url: str, door: Door = STREET) -> Outside:
    """Ask DNS for the URL's host and connect to its port, through the door that the fleet may have."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return Outside(url, unknown=error.strerror or str(error))
    addresses = tuple(sorted({str(one[4][0]) for one in found}))
    refused = untrusted = ""
    connection = door.connection(parts, TIMEOUT)
    with contextlib.closing(connection):
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            untrusted = error.verify_message
        except OSError as error:
            refused = error.strerror or str(error)
    return Outside(url, addresses, refused=refused, untrusted=untrusted)


def judge(outside: Outside, *, deployed_first: bool, front: str) -> Iterator[Finding]:
    """Yield what is to be said of the URL. Pure.

    deployed_first: what answers at the URL comes with the first deploy. front: who is to see to it otherwise.
    """
    host = urlsplit(outside.url).hostname or ""
    if outside.unknown:
        yield Finding("dns", f"{host}: {outside.unknown}", f"Let {host} point to the host in DNS.")
        return
    yield Finding("dns", f"{host} is {', '.join(outside.addresses)}")
    if outside.untrusted:
        yield Finding("url", f"{outside.url}: {outside.untrusted}", f"Have {front} bring a certificate for {host}.")
    elif outside.refused and not deployed_first:
        yield Finding(
            "url", f"{outside.url}: {outside.refused}", f"Have {front} answer for {host} and pass it on to the CRM."
        )
    elif outside.refused:
        yield Finding("url", f"{outside.url}: nothing answers yet; the first deploy brings {front}")
    else:
        yield Finding("url", f"{outside.url} is answered")
