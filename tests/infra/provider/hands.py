"""What people do to containers behind Pulumi's back, and what stands on the engine before and after a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import docker
from docker.errors import APIError

from tests.support.images import TAGS


def by_hand(client: docker.DockerClient, identity: str, words: Sequence[str]) -> None:
    """Do one thing with docker: its verb, then what it needs."""
    verb, *arguments = words
    _VERBS[verb](client, identity, *arguments)


def _recreate(client: docker.DockerClient, identity: str) -> None:
    """Remove the container and make another one under its name."""
    old = client.containers.get(identity)
    image, name = old.attrs["Image"], old.name
    old.remove(force=True)
    client.containers.create(image, ["sleep", "600"], name=name)


def _update(client: docker.DockerClient, identity: str, mebibytes: str) -> None:
    client.containers.get(identity).update(mem_limit=f"{mebibytes}m", memswap_limit=f"{mebibytes}m")


def _policy(client: docker.DockerClient, identity: str, name: str) -> None:
    policy: Any = {"Name": name, "MaximumRetryCount": 0}
    client.containers.get(identity).update(restart_policy=policy)


_VERBS: Mapping[str, Callable[..., None]] = {
    "stop": lambda client, identity: client.containers.get(identity).stop(timeout=0),
    "start": lambda client, identity: client.containers.get(identity).start(),
    "exited": lambda client, identity: client.containers.get(identity).wait() and None,
    "pause": lambda client, identity: client.containers.get(identity).pause(),
    "remove": lambda client, identity: client.containers.get(identity).remove(force=True),
    "recreate": _recreate,
    "rename": lambda client, identity, name: client.containers.get(identity).rename(name),
    "memory": _update,
    "restart-policy": _policy,
    "join": lambda client, identity, network: client.networks.get(network).connect(identity),
    "leave": lambda client, identity, network: client.networks.get(network).disconnect(identity, force=True),
    "remove-volume": lambda client, identity: client.volumes.get(identity).remove(force=True),
    "tag": lambda client, _, image, name: client.images.get(image).tag(name),
    "untag": lambda client, _, name: client.images.remove(name, noprune=True),
}


def made_before(client: docker.DockerClient, wanted: Mapping[str, Any], prefix: str) -> None:
    """Make what a case needs on the engine: networks, volumes, taken ports, and other names of images."""
    for name in wanted.get("networks", ()):
        client.networks.create(name)
    for name in wanted.get("volumes", ()):
        client.volumes.create(name)
    for port in wanted.get("ports", ()):
        name = f"{prefix}-{port}"
        client.containers.run(TAGS.python, ["sleep", "600"], name=name, ports={"80/tcp": port}, detach=True)
    for name, image in wanted.get("tags", {}).items():
        client.images.get(image).tag(name)


def cleared(client: docker.DockerClient, prefix: str) -> None:
    """Remove every container, network, volume and image name that begins with the prefix."""
    for container in client.containers.list(all=True, filters={"name": prefix}):
        with suppress(APIError):
            container.remove(force=True, v=True)
    for network in client.networks.list(names=[prefix]):
        network.remove()
    for volume in client.volumes.list(filters={"name": prefix}):
        volume.remove(force=True)
    for image in client.api.images():
        for tag in image["RepoTags"] or ():
            if tag.startswith(prefix):
                client.api.remove_image(tag, noprune=True)
