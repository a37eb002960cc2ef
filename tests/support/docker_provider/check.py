"""Check: what the program gave, with what it means by saying nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import TypeAlias

from tests.support.docker_provider.schema import Field, Kind
from tests.support.docker_provider.values import UNKNOWN, Properties, Value, absent

DEFAULTS = "__defaults"
"""Under this name an object tells which of its properties the program did not give."""


_Complaints: TypeAlias = list[tuple[str, str]]
"""What is wrong: a path, and the reason in upstream's words."""


def check(kind: Kind, logical: str, seed: bytes, olds: Properties, news: Properties) -> tuple[Properties, list[str]]:
    """Return the inputs with their defaults, and what is wrong with them; `logical` is the resource's name there."""
    complaints: _Complaints = []
    inputs = _object(kind.inputs, news, "", complaints)
    if kind.named and absent(inputs.get("name")):
        inputs["name"] = olds.get("name") or _invented(logical, seed)
        inputs[DEFAULTS] = list[Value](sorted([*_listed(inputs), "name"]))
    return inputs, [f"{reason}. Examine values at '{logical}.{path}'." for path, reason in complaints]


def _invented(logical: str, seed: bytes) -> str:
    return f"{logical}-{sha256(seed + logical.encode()).hexdigest()[:7]}"


def _listed(values: Properties) -> list[str]:
    found = values.get(DEFAULTS)
    return [str(name) for name in found] if isinstance(found, list) else []


def _object(fields: Mapping[str, Field], given: Properties, path: str, complaints: _Complaints) -> Properties:
    here: Properties = {name: value for name, value in given.items() if value is not None and name != DEFAULTS}
    defaults: list[str] = []
    for name, one in fields.items():
        where = f"{path}.{name}" if path else name
        if name in here:
            here[name] = _value(one, here[name], where, complaints)
        elif one.required:
            missing = f'The argument "{_theirs(where)}" is required, but no definition was found.'
            complaints.append((where, f"Missing required argument. {missing}"))
        elif one.default is not None:
            here[name] = one.default
            defaults.append(name)
    for name in here:
        if name not in fields:
            complaints.append((f"{path}.{name}" if path else name, "Invalid or unknown key"))
    return {**here, DEFAULTS: list[Value](sorted(defaults))}


def _value(one: Field, given: Value, path: str, complaints: _Complaints) -> Value:
    if one.shape == "object" and isinstance(given, dict):
        return _object(one.fields, given, path, complaints)
    if one.shape in ("rows", "bag") and isinstance(given, list):
        inner: _Complaints = []
        items = [
            _object(one.fields, item, f"{path}[{index}]", inner) if isinstance(item, dict) else item
            for index, item in enumerate(given)
        ]
        complaints += [(path, reason) for _, reason in inner] if one.shape == "bag" else inner
        return items
    if one.pattern and isinstance(given, str) and given != UNKNOWN and not re.search(one.pattern, given):
        otherwise = one.otherwise or f"doesn't match the pattern '{one.pattern}'"
        _twice(complaints, path, f"'{given}' {otherwise}")
    if one.least is not None and isinstance(given, int | float) and given < one.least:
        _twice(complaints, path, f"'{given}' cannot be lower than {one.least}")
    return given


def _twice(complaints: _Complaints, path: str, reason: str) -> None:
    complaints.append((path, f"{reason}. {reason}"))


def _theirs(path: str) -> str:
    """Write a path as upstream's schema does: `ports.0.internal`, `target_image`."""
    plain = re.sub(r"\[(\d+)\]", r".\1", path)
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", plain)
