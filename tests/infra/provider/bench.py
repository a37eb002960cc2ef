"""One resource on a provider and a real engine, moved through its life by the provider's protocol, without Pulumi."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import docker
from docker.errors import NotFound

from tests.support.docker_provider.values import Properties, Value
from tests.support.provider import Answer, Provider, Refused


@dataclass
class Bench:
    """The resource of one case: what Pulumi would know of it, and what the engine has."""

    provider: Provider
    docker: docker.DockerClient
    kind: str
    inputs: Properties = field(default_factory=dict)
    identity: str = ""
    state: Properties = field(default_factory=dict)

    def plan(self, wanted: Properties) -> Answer:
        """Return what an up with these inputs would do to the resource that exists."""
        news = self.provider.check(self.kind, wanted, self.inputs)
        return self.provider.diff(self.kind, self.identity, self.state, news, self.inputs)

    def up(self, wanted: Properties) -> Answer:
        """Do it: create, update in place, or replace in the order that the provider asks for."""
        if not self.identity:
            self._create(wanted)
            return Answer()
        answer = self.plan(wanted)
        news = self.provider.check(self.kind, wanted, self.inputs)
        if answer.verdict == "same":
            self.inputs = news
        elif answer.verdict == "update":
            self.state = self.provider.update(self.kind, self.identity, self.state, news, self.inputs)
            self.inputs = news
        else:
            old = (self.identity, self.state)
            if answer.deletes_first:
                self.provider.delete(self.kind, *old)
            self._create(wanted)
            if not answer.deletes_first:
                self.provider.delete(self.kind, *old)
        return answer

    def _create(self, wanted: Properties) -> None:
        self.inputs = self.provider.check(self.kind, wanted)
        try:
            self.identity, self.state = self.provider.create(self.kind, self.inputs)
        except Refused as refused:
            self.identity, self.state = refused.made or ("", {})
            raise

    def refresh(self) -> Answer | None:
        """Look at the resource and return what differs from its inputs, None when it is gone."""
        identity, state, _ = self.provider.read(self.kind, self.identity, self.state, self.inputs)
        if not identity:
            self.identity, self.state = "", {}
            return None
        self.identity, self.state = identity, state
        return self.provider.diff(self.kind, identity, state, self.inputs, self.inputs)

    def delete(self) -> None:
        """Remove the resource."""
        if self.identity:
            self.provider.delete(self.kind, self.identity, self.state)
            self.identity, self.state = "", {}

    def seen(self) -> Mapping[str, Any]:
        """Return what the engine itself says of the resource; empty when it has none."""
        api = self.docker.api
        look: dict[str, Any] = {
            "Container": api.inspect_container,
            "Network": api.inspect_network,
            "Volume": api.inspect_volume,
        }
        try:
            return dict(look[self.kind](self.identity))
        except NotFound:
            return {}


def filled(value: object, names: Mapping[str, str | int]) -> Value:
    """Put what is this run's own into a case: `$name` anywhere in a text, or a number in its place."""
    if isinstance(value, dict):
        return {str(filled(key, names)): filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if not isinstance(value, str):
        return cast(Value, value)
    for name, mine in names.items():
        if value == f"${name}":
            return mine
        value = value.replace(f"${name}", str(mine))
    return value
