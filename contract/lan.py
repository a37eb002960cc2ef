"""Rules of a server in the customer's network: whose certificate its site has, and who reaches it."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from contract.authority import LETS_ENCRYPT
from contract.explain import Finding
from contract.sections import Sections
from contract.target import Lan


def check(sections: Sections) -> Iterator[Finding]:
    """Yield what an ACME authority cannot issue a certificate for, and what is said of one that is not asked."""
    target, crm = sections.target, sections.crm
    if not isinstance(target, Lan):
        return
    if target.tls != "acme":
        if target.acme is not None:
            yield Finding(
                ("target", "acme"),
                "write 'tls: acme', or delete it",
                f"an ACME authority, and 'tls: {target.tls}' asks none",
            )
        return
    if crm is not None:
        yield from _name(crm.url)
    yield from _reached(target)


def _name(url: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield Finding(("crm", "url"), "write an https URL, or leave 'target.tls' out: this one has no certificate")
    elif _is_address(parts.hostname or ""):
        yield Finding(
            ("crm", "url"),
            "an ACME authority issues for names: write one, or 'tls: internal'",
            f"'tls: acme' for {parts.hostname}",
        )


def _reached(target: Lan) -> Iterator[Finding]:
    """Yield a firewall that keeps the authority out: it asks at port 80 whether the name leads to the server."""
    if target.firewall is None or not target.firewall.web_from:
        return
    path = ("target", "firewall", "web-from")
    if (LETS_ENCRYPT if target.acme is None else target.acme.directory) == LETS_ENCRYPT:
        yield Finding(
            path,
            "Let's Encrypt asks at port 80 from anywhere: leave 'web-from' out, or name an authority in that network "
            "(target.acme.directory), or write 'tls: internal' or 'own'",
            "'tls: acme' behind a firewall",
        )
    else:
        yield Finding(
            path,
            "see that the ACME authority's own address is among them: it asks at port 80",
            "'tls: acme' behind a firewall",
            "warning",
        )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
