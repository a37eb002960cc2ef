"""Images that exist or can be pulled, and names for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docker.api.client import APIClient
from docker.errors import APIError, NotFound

from tests.support.docker_provider.connect import told
from tests.support.docker_provider.failures import Failed
from tests.support.docker_provider.kinds import KINDS
from tests.support.docker_provider.served import Made, planned
from tests.support.docker_provider.values import Properties, flag, text

_REMOTE = KINDS["docker:index/remoteImage:RemoteImage"]
_TAG = KINDS["docker:index/tag:Tag"]


def local_image(engine: APIClient, name: str, *, pull: bool) -> dict[str, Any] | None:
    """Look an image up by its name, its id or its digest; pull it where it is missing and `pull` is given."""
    try:
        return inspected(engine, name)
    except NotFound:
        if not pull:
            return None
    except APIError as error:
        raise Failed(f"unable to inspect image {name}: Error response from daemon: {error.explanation}") from error
    with told(f"unable to pull image {name}: error pulling image {name}"):
        engine.pull(name)
    return local_image(engine, name, pull=False)


def inspected(engine: APIClient, name: str) -> dict[str, Any]:
    """Return what the engine says of an image."""
    look: Callable[[str], dict[str, Any]] = engine.inspect_image
    return look(name)


class RemoteImages:
    """The resource `RemoteImage`: its id is the image's id and the name together."""

    def create(self, engine: APIClient, inputs: Properties) -> Made:
        """Find the image, or pull it."""
        name = text(inputs, "name")
        try:
            local_image(engine, name, pull=True)
        except Failed as failure:
            raise Failed(f"Unable to read Docker image into resource: {failure}") from failure
        found = self.read(engine, "", planned(_REMOTE, {}, inputs))
        if found is None:
            raise Failed(f"Unable to read Docker image into resource: unable to find or pull image {name}")
        return Made(*found)

    def read(self, engine: APIClient, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Return what the name stands for now, under its new id; None when the engine has no such image."""
        del identity
        name = text(state, "name")
        found = local_image(engine, name, pull=False)
        if found is None:
            return None
        return f"{found['Id']}{name}", {**state, "imageId": found["Id"], "repoDigest": _digest(name, found)}

    def update(self, engine: APIClient, identity: str, state: Properties, inputs: Properties) -> Properties:
        """Look again."""
        new = planned(_REMOTE, state, inputs)
        found = self.read(engine, identity, new)
        return found[1] if found else new

    def delete(self, engine: APIClient, identity: str, state: Properties) -> None:
        """Remove the name, and the image with its last one, unless it is to be kept."""
        del identity
        name = text(state, "name")
        if flag(state, "keepLocally") or local_image(engine, name, pull=False) is None:
            return
        with told("Unable to remove Docker image"):
            engine.remove_image(name, force=flag(state, "forceRemove"))


def _digest(name: str, found: dict[str, Any]) -> str:
    """Return the image's digest in the repository of that name; "" when it never was in a registry."""
    digests = [str(digest) for digest in found.get("RepoDigests") or []]
    repository = name.partition("@")[0]
    repository = repository.rpartition(":")[0] if ":" in repository.rpartition("/")[2] else repository
    return next((digest for digest in digests if digest.split("@")[0] == repository), next(iter(digests), ""))


class Tags:
    """The resource `Tag`: another name for an image, which its delete leaves and nothing looks at again."""

    def create(self, engine: APIClient, inputs: Properties) -> Made:
        """Give the image its other name."""
        source, target = text(inputs, "sourceImage"), text(inputs, "targetImage")
        repository, _, tag = target.rpartition(":") if ":" in target.rpartition("/")[2] else (target, "", "latest")
        with told("failed to create docker tag"):
            engine.tag(source, repository, tag)
            found = inspected(engine, source)
        return Made(f"{source}.{target}", {**planned(_TAG, {}, inputs), "sourceImageId": found["Id"]})

    def read(self, engine: APIClient, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Return what is known already: upstream does not look."""
        del engine
        return identity, state

    def update(self, engine: APIClient, identity: str, state: Properties, inputs: Properties) -> Properties:
        """Do nothing: every input of a tag replaces it."""
        del engine, identity
        return planned(_TAG, state, inputs)

    def delete(self, engine: APIClient, identity: str, state: Properties) -> None:
        """Leave the name where it is, as upstream does."""
        del engine, identity, state
