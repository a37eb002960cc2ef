"""How `serve` reaches customers' sites: by DNS and the system's authorities, unless the fleet says otherwise.

Where `cloud.ingress.address` is given, contracts on Docker hosts are probed there, in their own name; the authority of
`cloud.ingress.authority` is believed besides the system's. So are those that sign for sites in customers' networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from contract.model import Contract, Lan
from crm.errors import CrmhostError
from crmhost.files import write_private
from crmhost.fleet import Fleet
from crmhost.lan import door_of
from crmhost.lancertificate import AUTHORITY
from monitor.probe.handle import trusted_certificates


def connections(fleet: Fleet, contracts: Iterable[Contract]) -> tuple[str, ...]:
    """Return `HOST:PORT:ADDRESS:PORT` for each site that is reached elsewhere than where DNS says."""
    cloud = fleet.settings.cloud
    if cloud is None or cloud.ingress.address is None:
        return ()
    address = cloud.ingress.address
    sites = [urlsplit(contract.crm.url) for contract in contracts if contract.target.kind == "cloud"]
    ports = {"https": 443, "http": 80}
    return tuple(f"{_host(url.hostname or '')}:{url.port or ports[url.scheme]}:{address}" for url in sites)


def authorities(fleet: Fleet, contracts: Iterable[Contract] = ()) -> Path | None:
    """Return a file with the authorities to believe; raises CrmhostError where one of the fleet's cannot be read.

    What signs for sites in customers' own networks is among them: nobody else believes it, and a site that works would
    be called down. A contract whose first deploy has not made its authority yet has none.
    """
    found = [*_ingress(fleet), *(text for contract in contracts for text in _server(fleet, contract))]
    system = trusted_certificates()
    if not found:
        return system
    every = [text.rstrip() for text in dict.fromkeys(found)] + ([] if system is None else [system.read_text().rstrip()])
    both = fleet.state / "authorities.pem"
    write_private(both, "".join(f"{text}\n" for text in every).encode())
    return both


def _ingress(fleet: Fleet) -> Iterator[str]:
    cloud = fleet.settings.cloud
    if cloud is not None and cloud.ingress.authority is not None:
        yield _read(fleet, cloud.ingress.authority)


def unsigned(fleet: Fleet, contracts: Iterable[Contract]) -> tuple[str, ...]:
    """Return the contracts whose authority their first deploy has yet to make."""
    return tuple(one.id for one in contracts if _own(one) and fleet.vault.get(one.id, AUTHORITY) is None)


def _own(contract: Contract) -> bool:
    """Tell whether crmhost makes an authority for the contract's site."""
    target = contract.target
    return isinstance(target, Lan) and target.tls == "internal" and contract.crm.url.startswith("https:")


def _server(fleet: Fleet, contract: Contract) -> Iterator[str]:
    believed = door_of(fleet, contract).authority
    if believed is not None:
        yield believed


def _read(fleet: Fleet, named: str) -> str:
    path = fleet.folder / Path(named).expanduser()
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CrmhostError(
            f"{path}: cannot be read, and cloud.ingress.authority in crmhost.yaml names it",
            f"Write it: crmhost host authority HOST > {named}",
        ) from error


def _host(name: str) -> str:
    return f"[{name}]" if ":" in name else name
