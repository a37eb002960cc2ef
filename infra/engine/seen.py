"""What an engine holds of one contract, as it is now: one look, nothing changed, no secret read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

import docker.errors

from infra.engine.client import Client
from infra.naming import LABEL_CONTRACT

State: TypeAlias = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
Health: TypeAlias = Literal["", "starting", "healthy", "unhealthy"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume in a container."""

    volume: str
    path: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class SeenContainer:
    """A container as the engine inspects it.

    image: the image's id. networks: their names, each with the container's aliases there. memory, memory_swap: bytes,
    0 for no limit. nano_cpus: billionths of a CPU, 0 for no limit. health: empty without a health check. code: the exit
    code of what has ended. ports: `8443/tcp` to (address, port) on the host.
    """

    id: str
    name: str
    image: str
    state: State
    health: Health
    code: int
    labels: Mapping[str, str]
    networks: Mapping[str, frozenset[str]]
    mounts: tuple[Mount, ...]
    user: str
    read_only: bool
    memory: int
    memory_swap: int
    nano_cpus: int
    restart: str
    capabilities: frozenset[str]
    dropped: frozenset[str]
    security: frozenset[str]
    ports: Mapping[str, tuple[tuple[str, int], ...]]
    restarts: int
    created: datetime

    @property
    def running(self) -> bool:
        """Tell whether its program runs and is not frozen."""
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class SeenNetwork:
    """A network; `internal`: nothing leaves it."""

    name: str
    internal: bool
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything with the contract's label, by name."""

    contract: str
    containers: Mapping[str, SeenContainer] = field(default_factory=dict)
    volumes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    networks: Mapping[str, SeenNetwork] = field(default_factory=dict)


def look(client: Client, label: str, value: str) -> Seen:
    """Return everything whose label has the value. What vanishes while we look is left out."""
    wanted = {"label": f"{label}={value}"}
    containers = []
    for row in client.containers(all=True, filters=wanted):
        with contextlib.suppress(docker.errors.NotFound):
            containers.append(container_of(client.inspect_container(row["Id"])))
    volumes = client.volumes(filters=wanted).get("Volumes") or []
    return Seen(
        contract=value if label == LABEL_CONTRACT else "",
        containers={each.name: each for each in containers},
        volumes={each["Name"]: each.get("Labels") or {} for each in volumes},
        networks={each["Name"]: _network(each) for each in client.networks(filters=wanted)},
    )


def container_of(raw: Mapping[str, Any]) -> SeenContainer:
    """Return what the engine's answer to `inspect` says. Pure."""
    state, config, host = raw["State"], raw["Config"], raw["HostConfig"]
    return SeenContainer(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        image=raw["Image"],
        state=cast(State, state["Status"]),
        health=cast(Health, (state.get("Health") or {}).get("Status", "").replace("none", "")),
        code=state["ExitCode"],
        labels=config.get("Labels") or {},
        networks={
            name: frozenset(alias for alias in joined.get("Aliases") or () if alias != raw["Id"][:12])
            for name, joined in (raw["NetworkSettings"].get("Networks") or {}).items()
        },
        mounts=tuple(
            Mount(each["Name"], each["Destination"], not each["RW"])
            for each in raw.get("Mounts") or ()
            if each["Type"] == "volume"
        ),
        user=config.get("User") or "",
        read_only=bool(host.get("ReadonlyRootfs")),
        memory=host.get("Memory") or 0,
        memory_swap=host.get("MemorySwap") or 0,
        nano_cpus=host.get("NanoCpus") or 0,
        restart=(host.get("RestartPolicy") or {}).get("Name") or "no",
        capabilities=_capabilities(host.get("CapAdd")),
        dropped=_capabilities(host.get("CapDrop")),
        security=frozenset(host.get("SecurityOpt") or ()),
        ports=_ports(host.get("PortBindings") or {}),
        restarts=raw.get("RestartCount") or 0,
        created=datetime.fromisoformat(raw["Created"]),
    )


def _network(raw: Mapping[str, Any]) -> SeenNetwork:
    return SeenNetwork(raw["Name"], bool(raw.get("Internal")), raw.get("Labels") or {})


def _capabilities(names: Iterable[str] | None) -> frozenset[str]:
    """Return the names with their prefix, as Pulumi writes them; engines keep them as they were given."""
    return frozenset(name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in names or ())


def _ports(raw: Mapping[str, Any]) -> dict[str, tuple[tuple[str, int], ...]]:
    return {
        inside: tuple((each.get("HostIp") or "", int(each.get("HostPort") or 0)) for each in outside or ())
        for inside, outside in raw.items()
    }
