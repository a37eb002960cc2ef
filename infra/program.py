"""The program of a customer's stack: what a rollout says, as resources. It decides nothing and reads nothing."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker

from infra import naming
from infra.components.container import Mounted
from infra.components.database import Database
from infra.components.files import volume
from infra.components.redis import Redis
from infra.components.release import ReleaseParts, Surroundings
from infra.engine.reach import Reach, ssh_opts
from infra.rollout import Rollout
from infra.workfolder import Recorded, recorded_to


def declare(rollout: Rollout, reach: Reach, *, protect: bool = True) -> None:
    """Declare every resource of the customer's stack; to be called inside a Pulumi program.

    protect: the volumes with data cannot be deleted, not even to be replaced, and neither can what serves while a
    candidate comes up. Without it everything can, which is how tests look at deletions.
    """
    contract = rollout.contract
    options = pulumi.ResourceOptions(provider=provider(reach))
    network = own_network(contract, options)
    kept = volume(naming.data(contract), naming.labels(contract, "data"), options, protect=protect)
    database = Database(contract, rollout.database, network.name, options, protect=protect)
    before: list[pulumi.Resource] = [database.container]
    if rollout.redis is not None:
        before.append(Redis(contract, rollout.redis, network.name, options).container)
    surroundings = Surroundings(network.name, Mounted(kept.name, naming.DATA_FOLDER), tuple(before))
    for placed in rollout.releases:
        serves_beside_another = rollout.served == placed and rollout.candidate is not None
        ReleaseParts(
            contract,
            placed,
            rollout.running(placed),
            surroundings,
            options,
            protect=protect and serves_beside_another,
        )


def keep(recorded: Recorded) -> None:
    """Keep what is declared in the state too, so that another machine of the same backend finds it there."""
    pulumi.export(naming.OUTPUT, pulumi.Output.secret(recorded_to(recorded)))


def provider(reach: Reach) -> docker.Provider:
    """Declare how the Docker engine is reached; a stack has one, since another host would replace nothing."""
    return docker.Provider(
        "docker",
        host=reach.url,
        ssh_opts=ssh_opts(reach) or None,
        cert_path=None if reach.tls is None else str(reach.tls),
    )


def own_network(contract: str, options: pulumi.ResourceOptions) -> docker.Network:
    """Declare the customer's network: nothing leaves it and nothing comes in."""
    name = naming.network(contract)
    labels = sorted(naming.labels(contract, "network").items())
    return docker.Network(
        name,
        name=name,
        internal=True,
        driver="bridge",
        labels=[docker.NetworkLabelArgs(label=key, value=value) for key, value in labels],
        opts=pulumi.ResourceOptions.merge(
            options,
            # Replacing it would replace every container on it; its labels stay what they were.
            pulumi.ResourceOptions(delete_before_replace=True, ignore_changes=["labels"]),
        ),
    )
