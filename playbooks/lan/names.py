"""Which names the customers of a server have at its nginx: each leads to one of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from crm.errors import Refused
from playbooks.lan.acme import Acme
from playbooks.lan.sites import Address, Secured

Names: TypeAlias = frozenset[tuple[str, int]]
"""Names with the ports at which a site answers for them."""


def names_of(url: str, certificate: Secured | None) -> Names:
    """Return the names that the site of a URL has."""
    address = Address.of(url)
    more = address.secure and (address.port == 443 or isinstance(certificate, Acme))
    return frozenset({(address.host, address.port), (address.host, 80 if more else address.port)})


def read_names(text: str) -> Names:
    """Return the names in a site, of which `text` has the ports and names as they come: `443 crm.acme.lan 80 …`."""
    found: set[tuple[str, int]] = set()
    port = 0
    for word in text.lower().split():
        if word.isdecimal():
            port = int(word)
        else:
            found.add((word, port))
    return frozenset(found)


def refuse_taken(contract: str, url: str, mine: Names, others: Mapping[str, Names]) -> None:
    """Raise Refused where another contract's site on the server has one of these names."""
    for other, its in sorted(others.items()):
        if mine & its:
            raise Refused(
                f"{contract}: crm.url: {url} is the site of {other} on this server already, and its users would meet"
                f" {contract}; nothing was done",
                f"Write another name into crm.url of {contract}, or move {other} away first: another crm.url and"
                f" crmhost deploy {other}, or crmhost destroy {other}.",
            )
