"""Networks of LAN servers, whose addresses we give out, and the removal of what killed test runs left."""

from __future__ import annotations

import ipaddress
import itertools
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import docker
import psutil
from docker.errors import APIError, NotFound
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

OWNER = "crmhost-test.owner"
"""The label that names the process, and when it began, of the test run whose container it is."""


class LanNetwork:
    """A network whose addresses we give out, so that a server that restarts keeps its own."""

    def __init__(self, network: Network, subnet: str) -> None:
        self.network = network
        self._hosts = itertools.cycle(list(ipaddress.ip_network(subnet).hosts())[1:])

    def address(self) -> str:
        """Return an address that no server has had for the longest time."""
        return str(next(self._hosts))


@contextmanager
def networked(client: docker.DockerClient, **options: object) -> Iterator[LanNetwork]:
    """Make a network until the block ends. options: of `networks.create`."""
    network, subnet = _make_network(client, options)
    try:
        yield LanNetwork(network, subnet)
    finally:
        with suppress(NotFound):
            network.remove()


def _make_network(client: docker.DockerClient, options: Mapping[str, Any]) -> tuple[Network, str]:
    """Let the engine choose a subnet, and ask for the same by name: only then may we choose addresses in it."""
    labels = {OWNER: owner()}
    for _ in range(20):
        chosen = client.networks.create(f"lan-{secrets.token_hex(4)}", labels=labels)
        chosen.reload()
        subnet = str(chosen.attrs["IPAM"]["Config"][0]["Subnet"])
        chosen.remove()
        pools = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
        with suppress(APIError):  # another process took it in between
            made = client.networks.create(f"lan-{secrets.token_hex(4)}", labels=labels, ipam=pools, **options)
            return made, subnet
    raise AssertionError("the engine has no subnet for a network")


def owner() -> str:
    """Return what names this process for as long as it lives, whatever gets its number later."""
    return f"{os.getpid()}@{psutil.Process().create_time()}"


def sweep(client: docker.DockerClient) -> None:
    """Remove the servers and networks of test runs that were killed."""
    with suppress(APIError):  # another process may be at it
        for container in client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True):
            if _dead(container.labels[OWNER]):
                container.remove(force=True, v=True)
        for network in client.networks.list(filters={"label": OWNER}):
            if _dead(network.attrs["Labels"][OWNER]):
                network.remove()


def _dead(owned_by: str) -> bool:
    pid, _, began = owned_by.partition("@")
    try:
        return psutil.Process(int(pid)).create_time() != float(began)
    except psutil.NoSuchProcess:
        return True
