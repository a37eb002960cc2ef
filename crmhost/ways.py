"""How `serve` reaches customers' sites: by DNS and the system's authorities, unless the fleet says otherwise.

Where `cloud.ingress.address` is given, contracts on Docker hosts are probed there, in their own name; the authority of
`cloud.ingress.authority` is believed besides the system's.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from contract.model import Contract
from crm.errors import CrmhostError
from crmhost.files import write_private
from crmhost.fleet import Fleet
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


def authorities(fleet: Fleet) -> Path | None:
    """Return a file with the authorities to believe; raises CrmhostError where the fleet's own cannot be read."""
    system, cloud = trusted_certificates(), fleet.settings.cloud
    named = None if cloud is None else cloud.ingress.authority
    if named is None:
        return system
    path = fleet.folder / Path(named).expanduser()
    try:
        own = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CrmhostError(
            f"{path}: cannot be read, and cloud.ingress.authority in crmhost.yaml names it",
            f"Write it: crmhost host authority HOST > {named}",
        ) from error
    both = fleet.state / "authorities.pem"
    write_private(both, f"{own.rstrip()}\n{'' if system is None else system.read_text()}".encode())
    return both


def _host(name: str) -> str:
    return f"[{name}]" if ":" in name else name
