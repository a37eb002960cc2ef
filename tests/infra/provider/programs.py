"""A program of Pulumi's that a case describes, run by the real engine; and what the engine said that it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
import pulumi
import pulumi_docker
from pulumi import automation
from pulumi.automation import EngineEvent

from tests.infra.provider.hands import by_hand

Described = dict[str, Any]


@dataclass
class Run:
    """What one command of Pulumi's did: its steps (all but `same`), and how it failed."""

    steps: list[str] = field(default_factory=list)
    differs: dict[str, list[str]] = field(default_factory=dict)
    events: list[EngineEvent] = field(default_factory=list)
    complaint: str = ""

    @property
    def each(self) -> dict[str, list[str]]:
        """Return the steps of each resource."""
        found: dict[str, list[str]] = {}
        for step in self.steps:
            verb, name = step.split()
            found.setdefault(name, []).append(verb)
        return found


@dataclass
class Programmed:
    """A stack whose program is data: resources by name, each `is` (its type), `given` and `options`."""

    engine: str
    client: docker.DockerClient
    resources: dict[str, Described]
    stack: automation.Stack = field(init=False)
    exports: Callable[[Mapping[str, pulumi.CustomResource]], Mapping[str, object]] = lambda _: {}

    def program(self) -> None:
        """Declare the resources, on a provider for the engine."""
        provider = pulumi_docker.Provider("engine", host=self.engine)
        made: dict[str, pulumi.CustomResource] = {}
        for name, described in self.resources.items():
            options = pulumi.ResourceOptions(provider=provider, **described.get("options", {}))
            options.depends_on = [made[before] for before in described.get("after", ())]
            inputs = {key: _referred(value, made) for key, value in described["given"].items()}
            made[name] = getattr(pulumi_docker, described["is"])(name, **inputs, opts=options)
        for name, value in self.exports(made).items():
            pulumi.export(name, value)

    def change(self, changes: Mapping[str, Described | None]) -> None:
        """Change the program: null drops a resource, `is` adds one, else the inputs that are named change."""
        for name, described in changes.items():
            if described is None:
                del self.resources[name]
            elif "is" in described:
                self.resources[name] = described
            else:
                before = self.resources[name]
                inputs = {**before["given"], **described}
                self.resources[name] = {**before, "given": {k: v for k, v in inputs.items() if v is not None}}

    def run(self, verb: str, **arguments: object) -> Run:
        """Run preview, up, refresh or destroy, one resource at a time."""
        done = Run()
        act = getattr(self.stack, verb)
        try:
            act(on_event=done.events.append, **{"parallel": 1, **arguments})
        except automation.CommandError as error:
            done.complaint = str(error)
        done.steps = [step for event in done.events if (step := _step(event, refresh=verb == "refresh"))]
        done.differs = dict(filter(None, (_differs(event) for event in done.events)))
        return done

    def hand(self, words: list[str]) -> None:
        """Do something to a container behind Pulumi's back: the verb, its name, and the rest."""
        verb, name, *rest = words
        by_hand(self.client, name, [verb, *rest])


def _referred(value: object, made: Mapping[str, pulumi.CustomResource]) -> object:
    """Put outputs where a case says `@name.output`."""
    if isinstance(value, str) and value.startswith("@"):
        name, _, output = value[1:].partition(".")
        found: object = getattr(made[name], output)
        return found
    if isinstance(value, dict):
        return {key: _referred(item, made) for key, item in value.items()}
    return [_referred(item, made) for item in value] if isinstance(value, list) else value


def _step(event: EngineEvent, *, refresh: bool) -> str:
    found = event.res_outputs_event if refresh else event.resource_pre_event
    if found is None or found.metadata.op.value in ("same", "refresh"):
        return ""
    kind = found.metadata.type
    return "" if kind.startswith("pulumi:") else f"{found.metadata.op.value} {found.metadata.urn.rpartition('::')[2]}"


def _differs(event: EngineEvent) -> tuple[str, list[str]] | None:
    found = event.resource_pre_event or event.res_outputs_event
    if found is None or not found.metadata.diffs:
        return None
    return found.metadata.urn.rpartition("::")[2], sorted(found.metadata.diffs)
