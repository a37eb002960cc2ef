"""A Docker host by itself, without a customer: named by its address or by a contract on it, and connected."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crm.errors import Refused
from crmhost.fleet import Fleet
from infra.engine.reach import Reach
from infra.settings import HostSettings

if TYPE_CHECKING:
    from crmhost.target import Accept
    from infra.engine.engine import Engine
    from infra.stack import Access


@dataclass(frozen=True, slots=True)
class Host:
    """A connected Docker host. access: how the stack of what it has for all customers is run, made when asked for."""

    engine: Engine
    settings: HostSettings
    access: Callable[[], Access]


@contextmanager
def open_host(fleet: Fleet, named: str, accept: Accept, *, make_secrets: bool = False) -> Iterator[Host]:
    """Give the host that `named` means: the address of an engine, or a contract whose target is one.

    accept: decides about a host that was never seen. make_secrets: make the passphrase of Pulumi's state where it is
    missing. Raises Refused for what is no Docker host, HostError with the remedy where it cannot be reached.
    """
    from crmhost.cloud import Pulumi, host_settings, plain, reach_of
    from infra.engine.connect import connect
    from infra.naming import host_stack

    said = plain(fleet.settings)
    key = fleet.settings.ssh.key
    key_file = None if key is None else fleet.folder / Path(key).expanduser()
    url = address_of(fleet, named)
    trust(reach_of(fleet, url, key_file, said), fleet.known_hosts, accept)
    settings = host_settings(said, reach_of(fleet, url, key_file, said), fleet.folder)

    def access() -> Access:
        return Pulumi.of(fleet, fleet.vault, said, make_secrets=make_secrets).access(host_stack(url))

    with connect(settings.reach) as engine:
        yield Host(engine, settings, access)


def address_of(fleet: Fleet, named: str) -> str:
    """Return the address of the engine: what was named itself, or the target of the contract of that name."""
    import time

    from pydantic_core import PydanticCustomError

    from contract.amend import at
    from contract.scalar import docker_url

    if "://" in named:
        try:
            return docker_url(named)
        except PydanticCustomError as error:
            raise Refused(f"{named}: is no address of a Docker engine", f"Instead {error.message()}.") from error
    target = at(fleet.contract(named), time.time_ns() // 1000).target
    if target.kind != "cloud":
        raise Refused(
            f"contracts/{named}.yaml: target.kind: found {target.kind}, which is no Docker host",
            "Name a contract with target.kind: cloud, or an address: crmhost host status ssh://deploy@docker.example",
        )
    return target.docker


def trust(reach: Reach, known_hosts: Path, accept: Accept) -> None:
    """Pin the key of an ssh:// host that the fleet never saw, where `accept` says so of its fingerprint.

    Where it does not, nothing is written, and connecting says what is missing.
    """
    from infra.engine.ssh import fingerprint, offered_key
    from playbooks.known_hosts import look_up, name_of, pin

    if reach.scheme != "ssh":
        return
    if look_up(known_hosts, name_of(reach.host, urlsplit(reach.url).port or 22)):
        return
    line = offered_key(reach)
    name, algorithm, key = line.split()[:3]
    if not look_up(known_hosts, name) and accept(fingerprint(line)):
        pin(known_hosts, name, algorithm, base64.b64decode(key))
