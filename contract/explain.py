"""Validation errors as problems that people can mend: the line, the place, what was found, what to write."""

import difflib
from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from contract.base import WRONG, Model
from contract.problem import Path, quoted
from contract.source import Mapping, Node, Scalar, Sequence

Models: TypeAlias = tuple[type[Model], ...]

_FORMULAS = (
    "write 'multiplier: 3', 'tiers: [{below: 99.9 %, percent: 10}]', 'percent: 5' with 'per: started-hour', "
    "or 'percent: 2' with 'per-point-short: full'"
)
_FORMULA_KEYS = ("multiplier", "tiers", "per", "per-point-short")
_CHOICES = {
    "target": ("kind", "write 'kind: webhost', 'lan', 'cloud' or 'saas'"),
    "formula": (
        None,
        _FORMULAS,
    ),
}
_EXAMPLES = {
    "contract": "acme",
    "customer": "{name: ACME Co.}",
    "name": "ACME Co.",
    "crm": "{recipe: creme, version: 2.8.6, url: https://crm.acme.example/}",
    "recipe": "creme",
    "target": "{kind: webhost, host: web.example, user: acme}",
    "period": "{every: month, calendar: gregorian, timezone: Asia/Ho_Chi_Minh}",
    "timezone": "Asia/Ho_Chi_Minh",
    "formula": "{multiplier: 3}",
    "tiers": "[{below: 99.9 %, percent: 10}]",
    "system": "webhook",
    "account": "C-1042",
    "role": "operations",
    "level": "administrators",
    "who": "[the customer's administrator]",
    "amount": "1200000 VND",
    "host": "web.example",
    "user": "deploy",
    "url": "https://crm.acme.example/",
    "version": "2.8.6",
    "docker": "ssh://deploy@docker.example",
    "email": "it@acme.example",
    "availability": "99.9 %",
    "from": "2026-07-01",
    "below": "99.9 %",
    "percent": "10",
    "keep": "30 days",
    "within": "72 h",
    "time": "10 h",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong or odd at a place of the file; `found` is None where the text there says it all."""

    path: Path
    remedy: str
    found: str | None = None
    severity: Literal["error", "warning"] = "error"


def finding(error: MappingType[str, Any], root: Node, models: Models) -> Finding:
    """Return what one of pydantic's error dictionaries means; `models` are what `root` was read as."""
    path, node, at = _walk(error["loc"], root, models)
    kind: str = error["type"]
    context: dict[str, Any] = error.get("ctx") or {}
    last = error["loc"][-1] if error["loc"] else ""
    if kind == "missing":
        return Finding(path[:-1], _add(str(last), at), f"no '{last}'")
    if kind == "extra_forbidden":
        return Finding(path, _known(str(last), at), f"the unknown key {quoted(str(last))}")
    if isinstance(node, Scalar) and not node.text and kind != "too_short":
        return Finding(path, _nothing_remedy(kind, context, at), "no value")
    if kind == WRONG:
        return Finding(path, context["remedy"], context.get("found"))
    return _structural(kind, context, path, node, at)


def _structural(kind: str, context: dict[str, Any], path: Path, node: Node | None, at: Models) -> Finding:
    """Return what an error of the wrong shape means: a text for a list, a choice that there is not."""
    if kind.startswith("union_tag"):
        return _no_such_choice(path, node)
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return Finding(path, f"write keys and values; the keys here are {_listed(_keys(at))}")
    if kind == "too_short":
        return Finding(path, "write at least one", "an empty list")
    if kind == "literal_error":
        return Finding(path, _choice(context["expected"], node))
    if kind == "tuple_type":
        return Finding(path, "write a list, as in [one, two]")
    return Finding(path, "write what `crmhost schema` prints for this key")


def _no_such_choice(path: Path, node: Node | None) -> Finding:
    key, remedy = _CHOICES.get(str(path[-1]), (None, "write one of the shapes that the schema has"))
    if not isinstance(node, Mapping):
        return Finding(path, remedy)
    if key is not None and key in node.items:
        return Finding((*path, key), remedy)
    if key is not None:
        return Finding(path, remedy, f"no '{key}'")
    guess = next(filter(None, (did_you_mean(written, _FORMULA_KEYS) for written in node.items)), "")
    return Finding(path, f"{guess}{remedy}", "no known formula")


def _nothing_remedy(kind: str, context: dict[str, Any], at: Models) -> str:
    if kind == WRONG:
        return str(context["remedy"])
    if kind == "literal_error":
        return f"write {context['expected'].replace(chr(39), '')}"
    return f"write keys and values; the keys here are {_listed(_keys(at))}" if at else "write a value"


def _choice(expected: str, node: Node | None) -> str:
    remedy = f"write {expected.replace(chr(39), '')}"
    if isinstance(node, Scalar):
        names = expected.replace(" or ", ", ").replace("'", "").split(", ")
        near = difflib.get_close_matches(node.text.lower(), names, 1)
        return f"did you mean {near[0]}? {remedy}" if near else remedy
    return remedy


def _add(key: str, at: Models) -> str:
    example = _EXAMPLES.get(key)
    if example is None:
        for model in at:
            annotation = _fields(model)[key].annotation if key in _fields(model) else None
            if get_origin(annotation) is Literal:
                example = str(get_args(annotation)[0])
    return f"add it, as in '{key}: {example}'" if example else "add it"


def _known(key: str, at: Models) -> str:
    keys = _keys(at)
    for model in at:
        if key in model.model_fields and (alias := model.model_fields[key].alias) in keys and alias != key:
            return f"did you mean '{alias}'?"
    kebab = key.replace("_", "-").lower()
    near = [kebab] if kebab in keys else difflib.get_close_matches(kebab, keys, 1)
    return f"did you mean '{near[0]}'?" if near else f"the keys here are {_listed(keys)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'? ` for a name that nearly is a known one, or nothing."""
    near = difflib.get_close_matches(name.lower().replace("_", "-"), list(known), 1)
    return f"did you mean '{near[0]}'? " if near else ""


def _keys(at: Models) -> list[str]:
    return list(dict.fromkeys(key for model in at for key in _fields(model)))


def _listed(keys: list[str]) -> str:
    return ", ".join(keys) if keys else "none"


def _fields(model: type[Model]) -> dict[str, FieldInfo]:
    """Return a model's fields by their keys in a file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _walk(loc: tuple[str | int, ...], root: Node, models: Models) -> tuple[Path, Node | None, Models]:
    """Follow an error's place through file and models: the path in the file, the node there, the models there.

    pydantic names the chosen member of a union in the place, which the file does not have: such a part narrows the
    models and is left out of the path. The models of a missing or unknown key are those that it was looked for in.
    """
    path: list[str | int] = []
    node: Node | None = root
    for position, part in enumerate(loc):
        member = tuple(model for model in models if model.__name__ == part)
        if member and not (isinstance(node, Mapping) and part in node.items):
            models = member
            continue
        if isinstance(node, Scalar):
            break  # a text that stands for a mapping, such as a country for its holidays
        path.append(part)
        last = position == len(loc) - 1
        known = isinstance(part, int) or any(part in _fields(model) for model in models)
        node = child(node, part)
        if last and (node is None or not known):
            break
        if isinstance(part, str):
            models = tuple(m for model in models for m in _members(_fields(model), part))
    return tuple(path), node, models


def child(node: Node | None, part: str | int) -> Node | None:
    """Return what a mapping or list holds at a key or index, None where it has no such part."""
    if isinstance(node, Mapping) and isinstance(part, str):
        return node.items.get(part)
    if isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
        return node.items[part]
    return None


def line_of(root: Mapping, path: Path) -> int:
    """Return the line of a place, or of the nearest place above it that the file has; a key's line where it has one."""
    node: Node = root
    line = root.line
    for part in path:
        below = child(node, part)
        if below is None:
            break
        line = node.keys[part] if isinstance(node, Mapping) and isinstance(part, str) else below.line
        node = below
    return node.line if isinstance(node, Scalar) and node.text else line


def _members(fields: dict[str, FieldInfo], key: str) -> Models:
    return tuple(models_of(fields[key].annotation)) if key in fields else ()


def models_of(annotation: Any) -> Iterable[type[Model]]:  # noqa: ANN401 - annotations have no type of their own
    """Yield the models that a type annotation names, through unions, lists and Annotated."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from models_of(get_args(annotation)[0])
    elif origin in {Union, UnionType, tuple}:
        for part in get_args(annotation):
            if part is not NoneType and part is not Ellipsis:
                yield from models_of(part)
    elif isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
