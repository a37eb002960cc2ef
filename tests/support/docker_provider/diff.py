"""Diff: what a changed input does to a resource that exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tests.support.docker_provider.check import DEFAULTS
from tests.support.docker_provider.schema import Field, Kind
from tests.support.docker_provider.values import Properties, Value, absent, unknown

What = Literal["add", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs, by its path, and whether only another resource can have it."""

    path: str
    what: What
    replaces: bool

    @property
    def top(self) -> str:
        """Return the input that it is a part of."""
        return self.path.split(".")[0].split("[")[0]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs between a resource and what the program says."""

    changes: tuple[Change, ...]
    deletes_first: bool
    by_name: bool = True
    """Whether the inputs that differ are also told by their names alone."""

    @property
    def replaces(self) -> bool:
        """Say whether another resource is needed."""
        return any(change.replaces for change in self.changes)


def diff(kind: Kind, state: Properties, inputs: Properties) -> Difference:
    """Compare the state of a resource with inputs that Check has returned."""
    changes = tuple(_fields({**kind.inputs, **kind.outputs}, state, inputs, ""))
    replaces = any(change.replaces for change in changes)
    return Difference(changes, replaces and (kind.deletes_first or _takes_the_name(kind, state, inputs)))


def _takes_the_name(kind: Kind, state: Properties, inputs: Properties) -> bool:
    defaults = inputs.get(DEFAULTS)
    given = not (isinstance(defaults, list) and "name" in defaults)
    return kind.named and given and inputs.get("name") == state.get("name")


def _fields(fields: Mapping[str, Field], old: Properties, new: Properties, path: str) -> Iterator[Change]:
    for name, field in fields.items():
        given = new.get(name, field.default)
        where = f"{path}.{name}" if path else name
        if unknown(given) or not (field.kept and _unsaid(field, given)):
            yield from _value(field, old.get(name), given, where)
        elif field.shape == "list" and old.get(name) is None:  # never read: what was made is not what was asked for
            yield Change(where, "add", field.replaces)


def _unsaid(field: Field, given: Value) -> bool:
    return given is None if field.shape == "flag" else absent(given)


def _value(field: Field, old: Value, new: Value, path: str) -> Iterator[Change]:
    if unknown(new):
        yield Change(path, "add" if absent(old) else "update", field.replaces)
    elif field.shape == "object" and isinstance(old, dict) and isinstance(new, dict) and old and new:
        yield from _fields(field.fields, old, new, path)
    elif field.shape in ("rows", "bag"):
        yield from _objects(field, _items(old), _items(new), path)
    elif field.shape == "table":
        yield from _table(field, old, new, path)
    elif field.shape in ("list", "set"):
        yield from _list(field, _items(old), _items(new), path)
    elif not _same(old, new):
        yield _changed(path, old, new, replaces=field.replaces)


def _table(field: Field, old: Value, new: Value, path: str) -> Iterator[Change]:
    olds, news = (dict(value) if isinstance(value, dict) else {} for value in (old, new))
    for name in sorted(({*olds} | {*news}) - {DEFAULTS}):
        if olds.get(name) != news.get(name):
            yield _changed(f"{path}.{name}", olds.get(name), news.get(name), replaces=field.replaces)


def _list(field: Field, old: list[Value], new: list[Value], path: str) -> Iterator[Change]:
    if field.shape == "set":
        old, new = sorted(old, key=str), sorted(new, key=str)
    for index in range(max(len(old), len(new))):
        was, wanted = (items[index] if index < len(items) else None for items in (old, new))
        if was != wanted:
            yield _changed(f"{path}[{index}]", was, wanted, replaces=field.replaces)


def _objects(field: Field, old: list[Value], new: list[Value], path: str) -> Iterator[Change]:
    gone, come = _unmatched(field, old, new), _unmatched(field, new, old)
    many = field.replaces and len(old) != len(new)
    for index in range(max(len(gone), len(come))):
        where = f"{path}[{(come[index:] or gone[index:])[0]}]"
        if index >= len(gone) or index >= len(come):
            yield Change(where, "add" if index < len(come) else "delete", many or _replaces(field))
            continue
        was, wanted = _properties(old[gone[index]]), _properties(new[come[index]])
        fixed = many or (field.shape == "bag" and (_holds_fixed(field, was) or _holds_fixed(field, wanted)))
        for change in _fields(field.fields, was, wanted, where):
            yield Change(change.path, change.what, change.replaces or fixed)


def _holds_fixed(field: Field, item: Properties) -> bool:
    """Say whether an object without a place of its own, which goes or comes as a whole, holds what cannot change."""
    return any(part.replaces and not absent(item.get(name)) for name, part in field.fields.items())


def _replaces(field: Field) -> bool:
    return any(part.replaces for part in field.fields.values())


def _unmatched(field: Field, these: list[Value], those: list[Value]) -> list[int]:
    """Return the places of the objects that have no equal on the other side, whatever their order."""
    left, found = list(those), []
    for index, this in enumerate(these):
        equal = next((that for that in left if _equal(field, _properties(this), _properties(that))), None)
        if equal is None:
            found.append(index)
        else:
            left.remove(equal)
    return found


def _equal(field: Field, this: Properties, that: Properties) -> bool:
    return not any(_fields(field.fields, this, that, "")) or not any(_fields(field.fields, that, this, ""))


def _items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _properties(value: Value) -> Properties:
    return value if isinstance(value, dict) else {}


def _same(old: Value, new: Value) -> bool:
    return old == new or (absent(old) and absent(new))


def _changed(path: str, old: Value, new: Value, *, replaces: bool) -> Change:
    what: What = "add" if old is None else "delete" if absent(new) else "update"
    return Change(path, what, replaces)
