"""A customer's redis: a broker and a cache, so nothing of it is kept."""

from __future__ import annotations

import pulumi

from infra import naming
from infra.components.container import Attached, Health, Spec, container
from infra.rollout import Service


class Redis(pulumi.ComponentResource):
    """redis on the customer's own network, under the name that CRMs are told."""

    def __init__(
        self, contract: str, service: Service, network: pulumi.Input[str], options: pulumi.ResourceOptions
    ) -> None:
        name = naming.redis(contract)
        super().__init__("crmhost:cloud:Redis", name, None, options)
        spec = Spec(
            image=service.image,
            argv=arguments(service.limits.memory_mb),
            user="redis",
            limits=service.limits,
            labels=naming.labels(contract, "redis"),
            networks=(Attached(network, (naming.REDIS_HOST,)),),
            # The image declares a volume at /data; without this every container would leave a nameless one.
            tmpfs={"/data": "rw,nosuid,nodev,noexec,size=16m", "/tmp": "rw,nosuid,nodev,noexec,size=16m"},  # noqa: S108
            health=Health(("redis-cli", "ping"), interval=10, timeout=5, start=10),
            cwd="/data",
        )
        self.container = container(name, spec, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def arguments(memory_mb: int) -> tuple[str, ...]:
    """Return how redis is started: no snapshot, no log, three quarters of its memory for what it holds.

    `--save` without a value means never, and no argument may be empty here.
    """
    return (
        "redis-server",
        "--save",
        "--appendonly",
        "no",
        "--protected-mode",
        "no",
        "--maxmemory",
        f"{memory_mb * 3 // 4}mb",
        "--maxmemory-policy",
        "noeviction",
    )
