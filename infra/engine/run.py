"""One-shot containers, and programs run inside containers that are up."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import docker.errors
import docker.types

from crm.errors import HostError, LockHeld
from infra.engine.client import Client
from infra.engine.dial import Dialer
from infra.engine.stream import OutOfTime, Output, Stream, Streams, converse
from infra.naming import UID

NOBODY_ELSE = f"{UID}:{UID}"
LOG = {"max-size": "10m", "max-file": "3"}
_SETTLES = 10.0
"""Seconds within which the engine knows the exit code of a program whose streams have ended, or that it has gone."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A volume in a one-shot container."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class OneShot:
    """A container that runs one program to its end.

    name: only one of that name runs at a time. user: `uid:gid`. networks: names, each with aliases; none: no network at
    all. The root file system is read-only, what may be written are `binds` and `tmpfs`. capabilities: those that are
    left, by their CAP_ names. keep: do not remove the container when it has ended; who asked removes it once its end
    has been recorded, and a second one of that name is refused until then.
    """

    name: str
    image: str
    argv: tuple[str, ...]
    labels: Mapping[str, str]
    binds: tuple[Bind, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    user: str = NOBODY_ELSE
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    memory_mb: int = 512
    cpus: str = "1.0"
    tmpfs: tuple[str, ...] = ("/tmp",)  # noqa: S108 -- inside the container
    capabilities: tuple[str, ...] = ()
    keep: bool = False


def run(client: Client, dialer: Dialer, spec: OneShot, source: BinaryIO, timeout: float) -> Output:
    """Run the program with `source` as its standard input; raises OutOfTime after `timeout` seconds and ends it then.

    Raises LockHeld where one of that name runs, docker.errors.APIError for what the engine refuses.
    """
    until = time.monotonic() + timeout
    _make_room(client, spec)
    container = create(client, spec)
    try:
        stream = attach(client, dialer, container)
        with contextlib.closing(stream):
            client.start(container)
            kept = converse(stream, Streams(source), until)
        output = kept.output(_ended(client, container, timeout))
    except OutOfTime:
        _end(client, container, spec)
        raise OutOfTime(f"{spec.name}: did not end within {timeout:.0f} s, so it was ended", "") from None
    except BaseException:
        if not spec.keep:  # Ctrl-C ends a question; a step runs on, and whoever comes next asks for its end
            with contextlib.suppress(Exception):
                client.remove_container(container, force=True)
        raise
    if not spec.keep:
        client.remove_container(container, force=True)
    return output


def finish(client: Client, name: str, timeout: float) -> Output:
    """Wait for a one-shot that was kept, whoever started it, and return what it printed from its beginning."""
    code = _ended(client, name, timeout)
    out, err = (client.logs(name, stdout=kind == "out", stderr=kind == "err") for kind in ("out", "err"))
    return Output(code, out, err, client.logs(name, stdout=True, stderr=True))


def create(client: Client, spec: OneShot, *, auto_remove: bool = False) -> str:
    """Create the container, without starting it, and return its id; raises docker.errors.APIError where one exists."""
    networks = dict(spec.networks)
    first = next(iter(networks), None)
    host = client.create_host_config(
        binds=[f"{bind.volume}:{bind.path}:{'ro' if bind.read_only else 'rw'}" for bind in spec.binds],
        network_mode=first or "none",
        mem_limit=f"{spec.memory_mb}m",
        memswap_limit=f"{spec.memory_mb}m",
        nano_cpus=int(float(spec.cpus) * 1_000_000_000),
        read_only=True,
        tmpfs=dict.fromkeys(spec.tmpfs, "rw,nosuid,nodev,noexec,size=256m"),
        cap_drop=["ALL"],
        cap_add=list(spec.capabilities),
        security_opt=["no-new-privileges:true"],
        init=True,
        auto_remove=auto_remove,
        log_config=docker.types.LogConfig(type="json-file", config=LOG),
    )
    joined: Any = None
    if first is not None:
        aliases = client.create_endpoint_config(aliases=list(networks.pop(first)))
        joined = {"EndpointsConfig": {first: aliases}}
    made = client.create_container(
        spec.image,
        entrypoint=list(spec.argv[:1]),
        command=list(spec.argv[1:]),
        name=spec.name,
        user=spec.user,
        working_dir=spec.cwd,
        environment=dict(spec.env),
        labels=dict(spec.labels),
        stdin_open=True,
        host_config=host,
        networking_config=joined,
    )["Id"]
    for network, names in networks.items():
        client.connect_container_to_network(made, network, aliases=list(names))
    return str(made)


def attach(client: Client, dialer: Dialer, container: str) -> Stream:
    """Return the container's streams; when ours ends, so does its standard input."""
    path = f"/v{client.api_version}/containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1"
    return Stream(dialer.dial(), path, {}, container[:12])


@contextmanager
def started(
    client: Client, dialer: Dialer, container: str, argv: tuple[str, ...], user: str | None, env: Mapping[str, str]
) -> Iterator[tuple[str, Stream]]:
    """Start a program in a container that is up; give the id of the exec and its streams."""
    made = client.exec_create(container, list(argv), stdin=True, user=user or "", environment=dict(env))["Id"]
    stream = Stream(dialer.dial(), f"/v{client.api_version}/exec/{made}/start", {"Detach": False}, container)
    with contextlib.closing(stream):
        yield made, stream


def exit_code(client: Client, made: str) -> int:
    """Return the exit code of an exec whose streams have ended."""
    until = time.monotonic() + _SETTLES
    while True:
        seen = client.exec_inspect(made)
        if not seen["Running"] and seen["ExitCode"] is not None:
            return int(seen["ExitCode"])
        if time.monotonic() > until:
            raise HostError("the program closed its output, but it runs on", "")
        time.sleep(0.02)


def wait_gone(client: Client, container: str) -> None:
    """Return when the engine does not know the container any more; raises HostError when it stays."""
    until = time.monotonic() + _SETTLES
    while time.monotonic() < until:
        try:
            client.inspect_container(container)
        except docker.errors.NotFound:
            return
        time.sleep(0.02)
    raise HostError(f"{container}: the engine is removing it, and it is still there", f"docker rm -f {container}")


def _end(client: Client, container: str, spec: OneShot) -> None:
    """End a program that took too long; what is kept is removed by whoever has read what it printed."""
    if not spec.keep:
        client.remove_container(container, force=True)
        return
    with contextlib.suppress(docker.errors.APIError):  # it ended at this moment
        client.kill(container)


def _ended(client: Client, container: str, timeout: float) -> int:
    return int(client.wait(container, timeout=math.ceil(timeout))["StatusCode"])


def _make_room(client: Client, spec: OneShot) -> None:
    try:
        there = client.inspect_container(spec.name)
    except docker.errors.NotFound:
        return
    state = there["State"]["Status"]
    if state == "running" or (spec.keep and state != "created"):
        raise LockHeld(f"{spec.name}: one is {state} already", "Wait until it has ended, then the same command again.")
    client.remove_container(there["Id"], force=True)
