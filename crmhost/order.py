"""Reading a contract's order, without reading the contract again where nothing has changed.

Reading a contract file makes up half of what a deploy that finds nothing to do costs. So what it orders is kept in
`.crmhost/orders/`, under the digest of all that it follows from: the contract file, crmhost.yaml, and crmhost itself.
A kept order ends with the instant at which the next amendment begins.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm.errors import CrmhostError
from crmhost.files import write_private
from crmhost.pins import Pin, plain
from crmhost.want import Order, order_of

if TYPE_CHECKING:
    from contract.model import Contract, Micros
    from crmhost.fleet import Fleet
    from crmhost.settings import Settings

MADE_BY = ("want.py", "order.py", "settings.py", "cloud.py", "cloudsettings.py", "lan.py", "lanacme.py", "pins.py")
"""The modules that decide what an order is: another time of one of these files makes every kept order void."""


@dataclass(frozen=True, slots=True)
class Access:
    """How hosts are reached and secrets are kept, as crmhost.yaml says.

    ssh_config: the SSH configuration that is read, `none`, or None for the user's own.
    sudo_password_file: where the password is that sudo wants on hosts.
    cloud: what holds for all Docker hosts, in the plain form of `crmhost.cloud`; None for another kind of target.
    archives: what the fleet says of CRMs' archives, see `crmhost.pins`.
    """

    key_file: str | None
    recipients: tuple[str, ...]
    cloud: Mapping[str, Any] | None = None
    ssh_config: str | None = None
    sudo_password_file: str | None = None
    archives: tuple[Pin, ...] = ()

    @classmethod
    def of(cls, settings: Settings, cloud: Mapping[str, Any] | None = None) -> Access:
        """Return what a fleet's settings say of it."""
        ssh = settings.ssh
        return cls(ssh.key, settings.recipients, cloud, ssh.config, ssh.sudo_password_file, plain(settings))


def read_order(fleet: Fleet, name: str, now: Micros) -> tuple[Order, Access]:
    """Return what the contract orders now; raises CrmhostError for its mistakes, Refused where it allows no deploy."""
    digest = _digest(fleet, name)
    kept = fleet.state / "orders" / f"{name}.json"
    if digest is not None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return _kept(json.loads(kept.read_bytes()), digest, now)
    written = fleet.contract(name)
    order, access = _read(fleet, written, name, now)
    if digest is not None:
        body = {"digest": digest, "until": _until(written, now), "order": asdict(order), "access": asdict(access)}
        with contextlib.suppress(CrmhostError, OSError):  # a fleet that cannot be written to is deployed all the same
            fleet.state.mkdir(mode=0o700, exist_ok=True)
            write_private(kept, json.dumps(body).encode())
    return order, access


def _digest(fleet: Fleet, name: str) -> str | None:
    """Return the digest of what an order follows from; None where there is no such contract."""
    here = Path(__file__).parent
    whole = hashlib.sha256()
    try:
        for path in (fleet.contract_file(name), fleet.settings_file):
            content = path.read_bytes()
            whole.update(len(content).to_bytes(8, "big") + content)
        whole.update(repr([(here / module).stat().st_mtime_ns for module in MADE_BY]).encode())
    except OSError:
        return None
    return whole.hexdigest()


def _kept(body: dict[str, Any], digest: str, now: Micros) -> tuple[Order, Access]:
    """Return a kept order; raises ValueError where it is not this one, or has ended."""
    if body["digest"] != digest or (body["until"] is not None and body["until"] <= now):
        raise ValueError("another order")
    access, order = body["access"], body["order"]
    pins = tuple((str(of), str(sha256), str(file)) for of, sha256, file in access["archives"])
    read = Access(**access | {"recipients": tuple(access["recipients"]), "archives": pins})
    return Order(**order | {"jump": tuple(order["jump"])}), read


def _read(fleet: Fleet, written: Contract, name: str, now: Micros) -> tuple[Order, Access]:
    from contract.amend import at

    order = order_of(at(written, now), fleet.shown(fleet.contract_file(name)), now)
    cloud = None
    if order.kind == "cloud":
        from crmhost.cloud import plain as plain_cloud

        cloud = plain_cloud(fleet.settings)
    return order, Access.of(fleet.settings, cloud)


def _until(written: Contract, now: Micros) -> Micros | None:
    from contract.amend import begins

    return min((start for one in written.amendments if (start := begins(written, one)) > now), default=None)
