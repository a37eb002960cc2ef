"""The words in which a resource is described, and what they mean when an input changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.support.docker_provider.values import Value

Shape = Literal["text", "whole", "flag", "list", "set", "table", "object", "rows", "bag"]
"""`list` and `rows` keep their order, `set` and `bag` have none; rows and bags hold objects, `object` is one alone."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input.

    `replaces`: another value cannot be had without another resource. `kept`: what the engine or an earlier program
    put there stays when the program says nothing. `default`: what the program means when it says nothing.
    `pattern`: what a text must match, and `otherwise` what is said of one that does not; `least`: the smallest number.
    """

    shape: Shape
    replaces: bool = False
    kept: bool = False
    required: bool = False
    default: Value = None
    pattern: str | None = None
    otherwise: str = ""
    least: int | None = None
    fields: Mapping[str, Field] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of resource: its inputs, what it answers besides, and how it is replaced.

    `named`: a name is invented where the program gives none, and one that was given cannot exist twice.
    `deletes_first`: the old one goes before the new one comes, unless the program says otherwise.
    """

    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field] = field(default_factory=dict)
    named: bool = False
    deletes_first: bool = False


def fixed(shape: Shape, *, kept: bool = False, required: bool = False, default: Value = None) -> Field:
    """Describe an input whose change replaces the resource."""
    return Field(shape, replaces=True, kept=kept, required=required, default=default)


def nested(shape: Literal["object", "rows", "bag"], *, kept: bool = False, **fields: Field) -> Field:
    """Describe objects whose number, like what is marked in them, cannot change without a replacement."""
    return Field(shape, replaces=True, kept=kept, fields=fields)
