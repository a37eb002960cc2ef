"""Property values on the wire, and as plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

from google.protobuf import struct_pb2

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Properties: TypeAlias = dict[str, Value]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What Pulumi writes for a value that is not known before something has been created."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"


def properties(struct: struct_pb2.Struct) -> Properties:
    """Read properties: whole numbers become int again (the wire has doubles only), secrets their plain value."""
    return {name: _value(value) for name, value in struct.fields.items()}


def struct(values: Mapping[str, Value]) -> struct_pb2.Struct:
    """Write properties, without those that are None."""
    message = struct_pb2.Struct()
    message.update({name: value for name, value in values.items() if value is not None})
    return message


def _value(value: struct_pb2.Value) -> Value:
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_value(item) for item in value.list_value.values]
        case "struct_value":
            fields = properties(value.struct_value)
            return fields.get("value") if _SIGNATURE in fields else fields
        case _:
            return None


def unknown(value: Value) -> bool:
    """Say whether the value, or anything in it, is not known yet."""
    if isinstance(value, list):
        return any(map(unknown, value))
    if isinstance(value, dict):
        return any(map(unknown, value.values()))
    return value == UNKNOWN


def absent(value: Value) -> bool:
    """Say whether the provider takes the value for one that was not given: upstream knows no difference."""
    return value is None or (not isinstance(value, str) and not value) or value == ""


def text(values: Mapping[str, Value], name: str) -> str:
    """Return a text, "" where there is none."""
    value = values.get(name)
    return "" if value is None else str(value)


def whole(values: Mapping[str, Value], name: str) -> int:
    """Return a whole number, 0 where there is none."""
    value = values.get(name)
    return int(value) if isinstance(value, int | float) else 0


def flag(values: Mapping[str, Value], name: str) -> bool:
    """Return a yes or no, no where there is none."""
    return bool(values.get(name))


def texts(values: Mapping[str, Value], name: str) -> list[str]:
    """Return a list of texts, empty where there is none."""
    value = values.get(name)
    return [str(item) if item is not None else "" for item in value] if isinstance(value, list) else []


def table(values: Mapping[str, Value], name: str) -> dict[str, str]:
    """Return a table of texts, empty where there is none."""
    value = values.get(name)
    return {key: str(item) for key, item in value.items()} if isinstance(value, dict) else {}


def rows(values: Mapping[str, Value], name: str) -> list[Properties]:
    """Return a list of objects, empty where there is none."""
    value = values.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def group(values: Mapping[str, Value], name: str) -> Properties:
    """Return an object, empty where there is none."""
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def labels(values: Mapping[str, Value]) -> dict[str, str]:
    """Return the labels, which Pulumi's programs write as pairs."""
    return {text(row, "label"): text(row, "value") for row in rows(values, "labels")}


def pairs(found: Mapping[str, str] | None) -> list[Value]:
    """Return labels as Pulumi's programs write them."""
    return [cast(Value, {"label": name, "value": value}) for name, value in sorted((found or {}).items())]
