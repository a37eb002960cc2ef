"""Check: what the program gave, with what it means by saying nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from tests.support.docker_provider.schema import Field, Kind
from tests.support.docker_provider.values import UNKNOWN, Properties, Value, absent

DEFAULTS = "__defaults"
"""Under this name an object tells which of its properties the program did not give."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One input that cannot be, by its path."""

    property: str
    reason: str


def check(
    kind: Kind, logical: str, seed: bytes, olds: Properties, news: Properties
) -> tuple[Properties, list[Failure]]:
    """Return the inputs with their defaults, and what is wrong with them; `logical` is the resource's name there."""
    failures: list[Failure] = []
    inputs = _object(kind.inputs, news, "", failures)
    if kind.named and absent(inputs.get("name")):
        inputs["name"] = olds.get("name") or _invented(logical, seed)
        inputs[DEFAULTS] = list[Value](sorted([*_listed(inputs), "name"]))
    return inputs, failures


def _invented(logical: str, seed: bytes) -> str:
    return f"{logical}-{sha256(seed + logical.encode()).hexdigest()[:7]}"


def _listed(values: Properties) -> list[str]:
    found = values.get(DEFAULTS)
    return [str(name) for name in found] if isinstance(found, list) else []


def _object(fields: Mapping[str, Field], given: Properties, path: str, failures: list[Failure]) -> Properties:
    here: Properties = {name: value for name, value in given.items() if value is not None and name != DEFAULTS}
    defaults: list[str] = []
    for name, field in fields.items():
        where = f"{path}.{name}" if path else name
        if name in here:
            here[name] = _value(field, here[name], where, failures)
        elif field.required:
            failures.append(Failure(where, f"Missing required argument. The argument {where!r} is required."))
        elif field.default is not None:
            here[name] = field.default
            defaults.append(name)
    failures += [
        Failure(name, f"An argument named {name!r} is not expected here") for name in here if name not in fields
    ]
    return {**here, DEFAULTS: list[Value](sorted(defaults))}


def _value(field: Field, given: Value, path: str, failures: list[Failure]) -> Value:
    if field.shape == "object" and isinstance(given, dict):
        return _object(field.fields, given, path, failures)
    if field.shape in ("rows", "bag") and isinstance(given, list):
        return [
            _object(field.fields, item, f"{path}[{index}]", failures) if isinstance(item, dict) else item
            for index, item in enumerate(given)
        ]
    if field.pattern and isinstance(given, str) and given != UNKNOWN and not re.fullmatch(field.pattern, given):
        failures.append(Failure(path, f"{given!r} does not match {field.pattern!r}"))
    return given
