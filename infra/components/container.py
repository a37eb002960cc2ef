"""One container, hardened: what every container of crmhost's has in common.

The rules of this provider that are kept here, each measured: `memory` always with `memory_swap`, or every run shows a
change; times in Go's form (`1m0s`); capabilities by their `CAP_` names; a healthcheck, an init or a tmpfs that changes
would be reported as updated without being so, so they replace; a replacement deletes first, since names are explicit;
the grace for stopping is always set, or stopping is a kill; no list is ever empty, since dropping a whole list changes
nothing; no entrypoints, since with them a failed create is adopted by the next run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pulumi
import pulumi_docker as docker

from infra.rollout import Limits

REPLACED = ("healthcheck", "init", "mounts", "tmpfs", "#initerror")
"""What the provider claims to change in place and does not; and a container that never came up."""
_TMP = MappingProxyType({"/tmp": "rw,nosuid,nodev,noexec,size=64m"})  # noqa: S108 -- a tmpfs of the container's own
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Mounted:
    """A named volume in a container."""

    volume: pulumi.Input[str]
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Attached:
    """A network that a container is on, and what it is called there."""

    network: pulumi.Input[str]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """How Docker asks a container whether it is well; seconds."""

    argv: tuple[str, ...]
    interval: int = 30
    timeout: int = 10
    start: int = 60


@dataclass(frozen=True, slots=True)
class Spec:
    """What is particular to one container. `once`: it runs to its end while it is created, and is not started again.

    grace: seconds to end by itself. add: capabilities (`CAP_…`); all others are dropped. ports: (bind address, port
    outside, port inside).
    """

    image: str
    argv: tuple[str, ...]
    user: str
    limits: Limits
    labels: Mapping[str, str]
    networks: tuple[Attached, ...]
    mounts: tuple[Mounted, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    cwd: str = "/"
    tmpfs: Mapping[str, str] = field(default_factory=lambda: _TMP)
    health: Health | None = None
    grace: int = 30
    stop_signal: str = "SIGTERM"
    add: tuple[str, ...] = ()
    ports: tuple[tuple[str, int, int], ...] = ()
    once: bool = False
    uploads: tuple[docker.ContainerUploadArgs, ...] = ()


def container(name: str, spec: Spec, options: pulumi.ResourceOptions) -> docker.Container:
    """Declare a container; its name on the engine is also its logical name."""
    args = docker.ContainerArgs(
        name=name,
        image=spec.image,
        command=list(spec.argv),
        user=spec.user,
        working_dir=spec.cwd,
        envs=[f"{key}={value}" for key, value in sorted({"LANG": "C.UTF-8", **spec.env}.items())],
        labels=[docker.ContainerLabelArgs(label=key, value=value) for key, value in sorted(spec.labels.items())],
        uploads=list(spec.uploads) or None,
        **_confined(spec),
        **_connected(spec),
        **_living(spec),
    )
    own = pulumi.ResourceOptions(replace_on_changes=list(REPLACED), delete_before_replace=True)
    return docker.Container(name, args, pulumi.ResourceOptions.merge(own, options))


def go_duration(seconds: int) -> str:
    """Return the seconds as Go prints them (`1m30s`): in any other form the provider sees a change in every run."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _confined(spec: Spec) -> Mapping[str, Any]:
    """Return what keeps a container from doing harm."""
    return {
        # An upload is unpacked at /, which Docker refuses where the root is read-only; such a container runs once.
        "read_only": not spec.uploads,
        "capabilities": docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=list(spec.add) or None),
        "security_opts": ["no-new-privileges:true"],
        "memory": spec.limits.memory_mb,
        "memory_swap": spec.limits.memory_mb,
        "cpus": spec.limits.cpus,
        "tmpfs": dict(spec.tmpfs),
        "log_driver": "json-file",
        "log_opts": {"max-size": "10m", "max-file": "3"},
    }


def _connected(spec: Spec) -> Mapping[str, Any]:
    """Return what a container shares with others: networks, volumes, ports."""
    return {
        "networks_advanced": [
            docker.ContainerNetworksAdvancedArgs(name=each.network, aliases=list(each.aliases) or None)
            for each in spec.networks
        ]
        or None,
        "network_mode": None if spec.networks else "none",
        "volumes": [
            docker.ContainerVolumeArgs(volume_name=each.volume, container_path=each.path, read_only=each.read_only)
            for each in spec.mounts
        ],
        "ports": [
            docker.ContainerPortArgs(ip=bind, external=outside, internal=inside, protocol="tcp")
            for bind, outside, inside in spec.ports
        ]
        or None,
    }


def _living(spec: Spec) -> Mapping[str, Any]:
    """Return how a container starts, is found well, and ends."""
    if spec.once:
        return {"restart": "no", "must_run": False, "attach": True, "destroy_grace_seconds": spec.grace}
    return {
        "restart": "unless-stopped",
        "init": True,
        "stop_signal": spec.stop_signal,
        "destroy_grace_seconds": spec.grace,
        "healthcheck": None if spec.health is None else _healthcheck(spec.health),
    }


def _healthcheck(health: Health) -> docker.ContainerHealthcheckArgs:
    return docker.ContainerHealthcheckArgs(
        tests=["CMD", *health.argv],
        interval=go_duration(health.interval),
        timeout=go_duration(health.timeout),
        start_period=go_duration(health.start),
        retries=3,
    )
