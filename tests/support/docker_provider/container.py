"""Containers: create, look, change in place, remove."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from docker.api.client import APIClient
from docker.errors import APIError, NotFound

from tests.support.docker_provider import container_read
from tests.support.docker_provider.connect import LONG, told
from tests.support.docker_provider.container_spec import MIB, Body, body, refuse, swap
from tests.support.docker_provider.failures import Failed, Unfinished
from tests.support.docker_provider.image import local_image
from tests.support.docker_provider.kinds import KINDS
from tests.support.docker_provider.served import Log, Made, plain, planned
from tests.support.docker_provider.uploads import packed
from tests.support.docker_provider.values import Properties, absent, flag, rows, text, texts, whole

_KIND = KINDS["docker:index/container:Container"]
_IN_PLACE = ("restart", "maxRetryCount", "cpuShares", "memory", "memoryReservation", "cpuSet", "memorySwap")
_NO_HEALTHCHECK = (
    "you have supplied a 'wait' argument, but the container does not have a healthcheck defined. "
    "Please remove the 'wait' argument or add a 'healthcheck' attribute"
)


class Containers:
    """The resource `Container`; `log` gets all that the engine says of one, its environment included, as upstream's."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def create(self, engine: APIClient, inputs: Properties) -> Made:
        """Create, connect, fill and start; what fails after the first of these leaves the container there."""
        _have_image(engine, text(inputs, "image"))
        refuse(inputs, engine.api_version)
        with told("Unable to create container"):
            identity = _created(engine, body(inputs), text(inputs, "name"))
        try:
            _connect(engine, identity, inputs)
            _upload(engine, identity, inputs)
            _start(engine, identity, inputs)
            logs = _attend(engine, identity, inputs)
        except Failed as failure:
            raise Unfinished(identity, planned(_KIND, {}, inputs), str(failure)) from failure
        found = self.read(engine, identity, {**planned(_KIND, {}, inputs), **logs})
        if found is None:
            raise Failed(f"container {identity} was removed while it was created")
        return Made(identity, {**found[1], **_as_given(inputs)})

    def read(self, engine: APIClient, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Return the state, None when the container is gone."""
        try:
            found = engine.inspect_container(identity)
        except NotFound:
            return None
        self._log("debug", f"[DEBUG] Docker container inspect from stateFunc: {json.dumps(found, indent=1)}")
        return identity, container_read.state(state, found)

    def update(self, engine: APIClient, identity: str, state: Properties, inputs: Properties) -> Properties:
        """Start a stopped container and change what can be changed in place; the rest only enters the state."""
        new = planned(_KIND, state, inputs)
        if flag(new, "mustRun") and not flag(state, "mustRun") and flag(new, "start"):
            with told("Unable to start container"):
                engine.start(identity)
        if any(_differs(state, new, name) for name in _IN_PLACE):
            with told("Unable to update a container"):
                _update(engine, identity, new)
        return new

    def delete(self, engine: APIClient, identity: str, state: Properties) -> None:
        """Stop within the grace, none unless one was given, and remove."""
        try:
            with told(f"Error stopping container {identity}"):
                if not flag(state, "attach"):
                    engine.stop(identity, timeout=whole(state, "destroyGraceSeconds"))
            with told(f"Error deleting container {identity}"):
                engine.remove_container(identity, v=flag(state, "removeVolumes"), force=True)
        except Failed as failure:
            if not any(words in str(failure) for words in ("No such container", "is already in progress")):
                raise


def _as_given(inputs: Properties) -> Properties:
    """Return what has no order and was given: after a create it is not what was read that enters the state."""
    return {
        name: value
        for name, value in plain(inputs).items()
        if name in _KIND.inputs and (_KIND.inputs[name].shape in ("set", "bag") or name == "capabilities")
    }


def _created(engine: APIClient, asked: Body, name: str) -> str:
    create: Callable[[Body, str], Body] = engine.create_container_from_config
    return str(create(asked, name)["Id"])


def _differs(state: Properties, new: Properties, name: str) -> bool:
    old, wanted = state.get(name), new.get(name)
    return old != wanted and not (absent(old) and absent(wanted))


def _have_image(engine: APIClient, name: str) -> None:
    try:
        local_image(engine, name, pull=True)
    except Failed as failure:
        raise Failed(f"Unable to create container with image {name}: {failure}") from failure


def _connect(engine: APIClient, identity: str, inputs: Properties) -> None:
    networks = rows(inputs, "networksAdvanced")
    if not networks:
        return
    try:
        engine.disconnect_container_from_network(identity, "bridge")
    except APIError as error:
        if "is not connected to the network bridge" not in str(error.explanation):
            raise Failed(f"Unable to disconnect the default network: {error.explanation}") from error
    for row in networks:
        network = text(row, "name")
        with told(f"Unable to connect to network '{network}'"):
            engine.connect_container_to_network(
                identity,
                network,
                aliases=texts(row, "aliases") or None,
                ipv4_address=text(row, "ipv4Address") or None,
                ipv6_address=text(row, "ipv6Address") or None,
                mac_address=text(row, "macAddress") or None,
            )


def _upload(engine: APIClient, identity: str, inputs: Properties) -> None:
    for row in rows(inputs, "uploads"):
        archive = packed(row, time.time())
        with told("Unable to upload volume content"):
            engine.put_archive(identity, "/", archive)


def _start(engine: APIClient, identity: str, inputs: Properties) -> None:
    if not flag(inputs, "start"):
        return
    with told("Unable to start container"):
        engine.start(identity)
    if flag(inputs, "wait"):
        _wait(engine, identity, whole(inputs, "waitTimeout"))


def _wait(engine: APIClient, identity: str, seconds: int) -> None:
    """Sit out the whole time for an unhealthy container and for one that has exited alike, as upstream does."""
    deadline = time.monotonic() + seconds
    while True:
        health = engine.inspect_container(identity)["State"].get("Health")
        if health is None:
            raise Failed(_NO_HEALTHCHECK)
        if health["Status"] == "healthy":
            return
        if time.monotonic() >= deadline:
            raise Failed("container failed to be in healthy state")
        time.sleep(0.1)


def _attend(engine: APIClient, identity: str, inputs: Properties) -> Properties:
    if not flag(inputs, "attach"):
        return {}
    engine.wait(identity, timeout=LONG)
    if not flag(inputs, "logs"):
        return {}
    return {"containerLogs": engine.logs(identity).decode(errors="replace")}


def _update(engine: APIClient, identity: str, new: Properties) -> None:
    policy: Any = {"Name": text(new, "restart"), "MaximumRetryCount": whole(new, "maxRetryCount")}
    engine.update_container(
        identity,
        cpu_shares=whole(new, "cpuShares"),
        cpuset_cpus=text(new, "cpuSet"),
        mem_limit=whole(new, "memory") * MIB,
        mem_reservation=whole(new, "memoryReservation") * MIB,
        memswap_limit=swap(new) or None,
        restart_policy=policy,
    )
