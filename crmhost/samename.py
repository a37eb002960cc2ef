"""Contracts of one fleet whose URLs are one site: whoever is deployed last takes the other one's customers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from contract.model import Contract, Micros
    from contract.problem import Path, Severity

REMEDIES: dict[Severity, str] = {
    "error": "write the URL that this contract's own customers open: a name leads to one CRM",
    "warning": "see that each server is in a network of its own, where the name leads to it",
}


@dataclass(frozen=True, slots=True)
class Shared:
    """A contract whose site another one has too. path: where its file says the URL."""

    contract: str
    path: Path
    url: str
    other: str
    severity: Severity


def shared(contracts: Sequence[Contract], now: Micros) -> Iterator[Shared]:
    """Yield each contract that would be deployed to the site of another one, by what both say today.

    A service that is only measured may be anybody's, and a contract whose term has ended leaves its URL to the next.
    """
    from contract.amend import at

    today = [(contract, at(contract, now)) for contract in contracts]
    deployed = [(whole, terms) for whole, terms in today if terms.target.kind != "saas" and not _ended(terms, now)]
    sites: dict[tuple[str, int], list[Contract]] = {}
    for _, terms in deployed:
        for place in _places(terms.crm.url):
            sites.setdefault(place, []).append(terms)
    for whole, terms in deployed:
        others = {other.id: other for place in _places(terms.crm.url) for other in sites[place] if other is not terms}
        for name, other in sorted(others.items()):
            severity = _severity(terms, other)
            if severity is not None:
                yield Shared(whole.id, _path(whole, now), terms.crm.url, name, severity)


def _severity(one: Contract, other: Contract) -> Severity | None:
    """Return how bad it is that two contracts have one name and port; None: they may."""
    from contract.model import Lan, WebHost

    mine, its = one.target, other.target
    if isinstance(mine, Lan) and isinstance(its, Lan):
        # Two customers' networks know nothing of each other: both may have a crm.lan, or a 192.168.0.10.
        servers = {(target.host.lower(), target.port or 22, target.jump) for target in (mine, its)}
        return "error" if len(servers) == 1 else "warning"
    if isinstance(mine, WebHost) and isinstance(its, WebHost):
        # A web host serves each folder below a name by itself.
        return "error" if len({urlsplit(terms.crm.url).path for terms in (one, other)}) == 1 else None
    return "error"


def _places(url: str) -> frozenset[tuple[str, int]]:
    """Return the names and ports that a site takes: one at 443 also has 80, which leads there."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return frozenset({(host, port), (host, 80 if port == 443 else port)})


def _ended(terms: Contract, now: Micros) -> bool:
    from contract.term import bounds

    term = None if terms.sla is None else bounds(terms.term, terms.sla.period)
    return term is not None and term[1] is not None and term[1] <= now


def _path(contract: Contract, now: Micros) -> Path:
    """Return where a file says the URL of today: at its head, or in the last amendment of it that holds."""
    from contract.amend import begins

    held = [at for at, one in enumerate(contract.amendments) if one.crm is not None and begins(contract, one) <= now]
    return ("amendments", held[-1], "crm", "url") if held else ("crm", "url")
