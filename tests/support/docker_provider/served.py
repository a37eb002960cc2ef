"""What the server asks of every type of resource."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from docker.api.client import APIClient

from tests.support.docker_provider import check, diff
from tests.support.docker_provider.check import DEFAULTS
from tests.support.docker_provider.diff import Difference
from tests.support.docker_provider.schema import Kind
from tests.support.docker_provider.values import UNKNOWN, Properties, Value, absent


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that exists now, and its state."""

    identity: str
    state: Properties


Log: TypeAlias = Callable[[Literal["debug", "info"], str], None]
"""Tells the Pulumi engine a line."""


class Handler(Protocol):
    """One type of resource. Every method raises Failed, and create Unfinished, with the text that Pulumi shows."""

    def create(self, engine: APIClient, inputs: Properties) -> Made:
        """Make the resource."""

    def read(self, engine: APIClient, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Look at the resource and return its id and state; None when it is gone."""

    def update(self, engine: APIClient, identity: str, state: Properties, inputs: Properties) -> Properties:
        """Change the resource in place and return its state."""

    def delete(self, engine: APIClient, identity: str, state: Properties) -> None:
        """Remove the resource; one that is gone already is no failure."""


class Type(Protocol):
    """A type of resource: what its inputs mean, and what acts on it."""

    @property
    def handler(self) -> Handler:
        """Return what acts on it."""

    @property
    def stable(self) -> Sequence[str]:
        """Return the inputs that no update changes."""

    def check(self, logical: str, seed: bytes, olds: Properties, news: Properties) -> tuple[Properties, list[str]]:
        """Return the inputs with their defaults, and what is wrong with them."""

    def diff(self, state: Properties, inputs: Properties) -> Difference:
        """Compare the state with inputs."""

    def preview(self, state: Properties, inputs: Properties) -> Properties:
        """Return what is known of the state before the inputs are acted on."""


@dataclass(frozen=True, slots=True)
class Served:
    """A type of resource whose inputs are described, and what acts on it."""

    kind: Kind
    handler: Handler

    def check(self, logical: str, seed: bytes, olds: Properties, news: Properties) -> tuple[Properties, list[str]]:
        """Return the inputs with their defaults, and what is wrong with them."""
        return check.check(self.kind, logical, seed, olds, news)

    def diff(self, state: Properties, inputs: Properties) -> Difference:
        """Compare the state with inputs."""
        return diff.diff(self.kind, state, inputs)

    @property
    def stable(self) -> list[str]:
        """Return the inputs that no update changes."""
        return sorted(name for name, field in self.kind.inputs.items() if field.replaces)

    def preview(self, state: Properties, inputs: Properties) -> Properties:
        """Return the planned state, with what only the engine can tell as unknown."""
        kept = (name for name, field in self.kind.inputs.items() if field.kept)
        told_later: Properties = dict.fromkeys((*self.kind.outputs, *kept), UNKNOWN) if not state else {}
        return {**told_later, **planned(self.kind, state, inputs)}


def planned(kind: Kind, state: Properties, inputs: Properties) -> Properties:
    """Return the state that an operation is to end in: the inputs, and what is kept where they say nothing."""
    kept = {
        name: value
        for name, value in state.items()
        if name in kind.outputs or (name in kind.inputs and kind.inputs[name].kept and absent(inputs.get(name)))
    }
    return {**kept, **plain(inputs)}


def reread(inputs: Properties, state: Properties) -> Properties:
    """Return the inputs as if the program had written what was found."""
    return {
        name: value if name == DEFAULTS else _reread(value, state.get(name, value)) for name, value in inputs.items()
    }


def _reread(given: Value, found: Value) -> Value:
    if isinstance(given, dict) and isinstance(found, dict):
        return reread(given, found)
    if isinstance(given, list) and isinstance(found, list) and len(given) == len(found):
        return [_reread(*both) for both in zip(given, found, strict=True)]
    return found


def plain(inputs: Properties) -> Properties:
    """Return the inputs without Check's notes on them."""
    return {name: _plain(value) for name, value in inputs.items() if name != DEFAULTS}


def _plain(value: Value) -> Value:
    if isinstance(value, dict):
        return plain(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
