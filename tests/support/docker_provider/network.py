"""Networks: create, look, remove once nothing is on them."""

from __future__ import annotations

import time

from docker.api.client import APIClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from tests.support.docker_provider.connect import told
from tests.support.docker_provider.failures import Failed
from tests.support.docker_provider.kinds import KINDS
from tests.support.docker_provider.served import Made, planned
from tests.support.docker_provider.values import Properties, flag, labels, pairs, rows, table, text

_KIND = KINDS["docker:index/network:Network"]
_PATIENCE = 30.0  # seconds, until containers have left


class Networks:
    """The resource `Network`."""

    def create(self, engine: APIClient, inputs: Properties) -> Made:
        """Create the network."""
        ipam = IPAMConfig(
            driver=text(inputs, "ipamDriver") or "default",
            pool_configs=[_pool(row) for row in rows(inputs, "ipamConfigs")],
            options=table(inputs, "ipamOptions"),
        )
        with told("Unable to create network"):
            made = engine.create_network(
                text(inputs, "name"),
                driver=text(inputs, "driver") or None,
                options=table(inputs, "options"),
                ipam=ipam,
                internal=flag(inputs, "internal"),
                labels=labels(inputs),
                enable_ipv6=flag(inputs, "ipv6"),
                attachable=flag(inputs, "attachable") or None,
                ingress=flag(inputs, "ingress") or None,
            )
        identity = str(made["Id"])
        found = self.read(engine, identity, planned(_KIND, {}, inputs))
        if found is None:
            raise Failed(f"network {identity} was removed while it was created")
        return Made(*found)

    def read(self, engine: APIClient, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Return the state, None when the network is gone."""
        try:
            found = engine.inspect_network(identity)
        except NotFound:
            return None
        ipam = found["IPAM"]
        return identity, {
            **state,
            "name": found["Name"],
            "labels": pairs(found["Labels"]),
            "driver": found["Driver"],
            "internal": found["Internal"],
            "attachable": found["Attachable"],
            "ingress": found["Ingress"],
            "ipv6": found["EnableIPv6"],
            "ipamDriver": ipam["Driver"],
            "ipamOptions": ipam["Options"] or {},
            "ipamConfigs": [_config(row) for row in ipam["Config"] or []],
            "options": found["Options"] or {},
            "scope": found["Scope"],
        }

    def update(self, engine: APIClient, identity: str, state: Properties, inputs: Properties) -> Properties:
        """Do nothing: no input of a network can be changed in place."""
        del engine, identity
        return planned(_KIND, state, inputs)

    def delete(self, engine: APIClient, identity: str, state: Properties) -> None:
        """Remove the network; containers that are still on it are waited for."""
        del state
        deadline = time.monotonic() + _PATIENCE
        while not _removed(engine, identity):
            if time.monotonic() > deadline:
                raise Failed("timeout while waiting for state to become 'removed' (last state: 'pending')")
            time.sleep(0.2)


def _removed(engine: APIClient, identity: str) -> bool:
    try:
        engine.remove_network(identity)
    except NotFound:
        return True
    except APIError as error:
        if "has active endpoints" not in str(error.explanation):
            raise Failed(f"Error response from daemon: {error.explanation}") from error
        return False
    return True


def _pool(row: Properties) -> IPAMPool:
    return IPAMPool(
        subnet=text(row, "subnet") or None,
        iprange=text(row, "ipRange") or None,
        gateway=text(row, "gateway") or None,
        aux_addresses=table(row, "auxAddress") or None,
    )


def _config(row: dict[str, str]) -> Properties:
    names = {"Subnet": "subnet", "Gateway": "gateway", "IPRange": "ipRange", "AuxiliaryAddresses": "auxAddress"}
    return {ours: row[theirs] for theirs, ours in names.items() if row.get(theirs)}
