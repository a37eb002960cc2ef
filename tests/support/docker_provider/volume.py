"""Volumes: create, look, remove with everything in them."""

from __future__ import annotations

import time

from docker.api.client import APIClient
from docker.errors import APIError, NotFound

from tests.support.docker_provider.connect import told
from tests.support.docker_provider.failures import Failed
from tests.support.docker_provider.kinds import KINDS
from tests.support.docker_provider.served import Made, planned
from tests.support.docker_provider.values import Properties, labels, pairs, table, text

_KIND = KINDS["docker:index/volume:Volume"]
_PATIENCE = 30.0  # seconds, until no container uses it


class Volumes:
    """The resource `Volume`; its id is its name."""

    def create(self, engine: APIClient, inputs: Properties) -> Made:
        """Create the volume; one that exists under the name is taken over, as the engine does."""
        with told("Unable to create volume"):
            made = engine.create_volume(
                text(inputs, "name"),
                driver=text(inputs, "driver") or None,
                driver_opts=table(inputs, "driverOpts"),
                labels=labels(inputs),
            )
        identity = str(made["Name"])
        found = self.read(engine, identity, planned(_KIND, {}, inputs))
        if found is None:
            raise Failed(f"volume {identity} was removed while it was created")
        return Made(*found)

    def read(self, engine: APIClient, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Return the state, None when the volume is gone."""
        try:
            found = engine.inspect_volume(identity)
        except NotFound:
            return None
        return identity, {
            **state,
            "name": found["Name"],
            "labels": pairs(found["Labels"]),
            "driver": found["Driver"],
            "driverOpts": found["Options"] or {},
            "mountpoint": found["Mountpoint"],
        }

    def update(self, engine: APIClient, identity: str, state: Properties, inputs: Properties) -> Properties:
        """Do nothing: no input of a volume can be changed in place."""
        del engine, identity
        return planned(_KIND, state, inputs)

    def delete(self, engine: APIClient, identity: str, state: Properties) -> None:
        """Remove the volume; containers that still use it are waited for."""
        del state
        deadline = time.monotonic() + _PATIENCE
        while not _removed(engine, identity):
            if time.monotonic() > deadline:
                raise Failed("timeout while waiting for state to become 'removed' (last state: 'in_use')")
            time.sleep(0.2)


def _removed(engine: APIClient, identity: str) -> bool:
    try:
        engine.remove_volume(identity, force=True)
    except NotFound:
        return True
    except APIError as error:
        if "volume is in use" not in str(error.explanation):
            raise Failed(f"Error response from daemon: {error.explanation}") from error
        return False
    return True
