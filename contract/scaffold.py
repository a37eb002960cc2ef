"""A first contract file: commented by the schema's own descriptions, without mistakes, ready to be filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from contract.explain import Models, models_of
from contract.model import Contract
from contract.parse import parse
from contract.problem import Problem
from contract.source import Mapping, plain_data, read
from contract.target import KINDS

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree]"

_COMMENT_COLUMN = 44
_PLAIN = re.compile(r"[\w/(](?:[\w ./()%@+-]|:(?=[\w/]))*[\w/)%]|[\w/]")
_OPTIONAL = """
# What else a contract can say ('crmhost schema' lists it all):
#
# term: {signed: 2026-01-10, accepted: 2026-02-01, lasts: 1 year, renewal-notice: 30 days}
# support: {hours: "Mon-Fri 08:00-18:00", holidays: VN, ticket-answer: 5 working-hours, complaint: 72 h}
# licence: {users: 25, terms: GPL}
# data-protection: {encrypt: true, shared-with: nobody, kept: while-served}
# billing: {system: webhook, account: C-1042, fee: {amount: 1200000 VND, every: month}}
# amendments:
#   - {from: 2026-07-01, sla: {availability: 99.95 %}}
"""


class BadOption(ValueError):
    """What was asked for makes no contract; the message names each option and what to write instead."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a first file is made of. `sets` are pairs of a dotted path and a YAML value, as in `sla.hours`, `24/7`.

    `period` is `gregorian`, `jalali`, or the length of a cycle, which needs `sla.period.from` among the sets.
    `schema` is where the editor finds the JSON Schema; empty: no modeline.
    """

    recipe: str = "creme"
    version: str = "2.8.6"
    target: str = "webhost"
    host: str = "web.example"
    user: str = ""
    port: int | None = None
    listen: str = ""
    document_root: str = ""
    url: str = ""
    customer: str = ""
    language: str = "en"
    availability: str = "99.9 %"
    period: str = "gregorian"
    timezone: str = "UTC"
    schema: str = "contract.schema.json"
    sets: tuple[tuple[str, str], ...] = ()


def scaffold(name: str, options: Options | None = None) -> str:
    """Return the text of `contracts/NAME.yaml`. Raises BadOption where name or options make no contract."""
    chosen = options or Options()
    tree = _tree(name, chosen)
    for path, value in chosen.sets:
        _set(tree, path.split("."), _value(path, value), path)
    modeline = f"# yaml-language-server: $schema={chosen.schema}\n" if chosen.schema else ""
    missing = "\n".join(line for line in _OPTIONAL.splitlines() if not _is_written(line, tree))
    text = "\n".join([*_sections(tree), missing, ""])
    text = modeline + text
    errors = parse(text.encode(), f"{name}.yaml").errors
    if errors:
        raise BadOption("; ".join(_complaint(problem) for problem in errors))
    return text


def _complaint(problem: Problem) -> str:
    return f"{problem.path or 'the contract'}: found {problem.found}; {problem.remedy}"


def _is_written(line: str, tree: dict[str, Tree]) -> bool:
    match = re.match(r"# ([a-z-]+):", line)
    return (match is not None and match[1] in tree) or (line.startswith("#   -") and "amendments" in tree)


def _tree(name: str, options: Options) -> dict[str, Tree]:
    """Return the file as keys and texts, before `sets`; what these replace as a whole is left out."""
    touched = {path for path, _ in options.sets}
    sla: dict[str, Tree] = {"availability": options.availability, "period": _period(options, touched)}
    sla["maintenance"] = {"notice": "48 h", "at-most": "4 h"}
    credit: dict[str, Tree] = {"unit": "service-time"}
    if not any(path.startswith("sla.credit.formula.") for path in touched):
        credit["formula"] = {"multiplier": "3", "of": "downtime"}
    sla["credit"] = credit
    return {
        "contract": name,
        "customer": {"name": options.customer or name, "language": options.language},
        "crm": {
            "recipe": options.recipe,
            **({"version": options.version} if options.version else {}),
            "url": options.url or f"https://{options.host}/",
        },
        "target": _target(name, options),
        "sla": sla,
        "monitor": {"interval": "30 s", "timeout": "10 s", "confirm": "2", "path": "/"},
        "billing": {"system": "file", "account": name},
    }


def _period(options: Options, touched: set[str]) -> dict[str, Tree]:
    if options.period not in {"gregorian", "jalali"}:
        return {"every": options.period, "timezone": options.timezone}
    if {"sla.period.every", "sla.period.from"} & touched:
        return {"timezone": options.timezone}
    return {"every": "month", "calendar": options.period, "timezone": options.timezone}


def _target(name: str, options: Options) -> dict[str, Tree]:
    target: dict[str, Tree] = {"kind": options.target}
    if options.target in {"webhost", "lan"}:
        target |= {"host": options.host, "user": options.user or name}
        target |= {} if options.port is None else {"port": str(options.port)}
    if options.target == "cloud":
        target["docker"] = f"ssh://{options.user or name}@{options.host}"
    if options.target == "webhost":
        given: dict[str, Tree] = {"listen": options.listen, "document-root": options.document_root}
        target |= {key: value for key, value in given.items() if value}
    return target


def _value(path: str, text: str) -> Tree:
    source = read(f"value: {text}".encode(), path)
    if source.problems and not text.startswith(tuple("[]{}\"'&*!|>%@`#")):
        return text  # a text with a colon or the like, whose quotes the shell has taken
    if source.problems or not isinstance(source.root, Mapping):
        reasons = "; ".join(f"found {problem.found}; {problem.remedy}" for problem in source.problems)
        raise BadOption(f"{path}={text}: {reasons or 'write a YAML value'}")
    value: Tree = plain_data(source.root)["value"]
    return value


def _set(tree: Tree, keys: list[str], value: Tree, path: str) -> None:
    """Put a value into the tree, making mappings on the way; a number counts a list's items from 0."""
    for position, key in enumerate(keys[:-1]):
        below = _below(tree, key, path)
        if below is None:
            below = [] if keys[position + 1].isdecimal() else {}
            _put(tree, key, below, path)
        tree = below
    _put(tree, keys[-1], value, path)


def _below(tree: Tree, key: str, path: str) -> Tree | None:
    if isinstance(tree, dict):
        return tree.get(key)
    if isinstance(tree, list) and key.isdecimal():
        return tree[int(key)] if int(key) < len(tree) else None
    raise BadOption(f"{path}: nothing lies below a text: write the path of a key, as in sla.availability")


def _put(tree: Tree, key: str, value: Tree, path: str) -> None:
    if not key:
        raise BadOption(f"{path or '(nothing)'}: write the path of a key, as in sla.availability")
    if isinstance(tree, dict):
        tree[key] = value
    elif isinstance(tree, list) and key.isdecimal() and int(key) == len(tree):
        tree.append(value)
    elif isinstance(tree, list) and key.isdecimal() and int(key) < len(tree):
        tree[int(key)] = value
    elif isinstance(tree, str):
        raise BadOption(f"{path}: nothing lies below a text: write the path of a key, as in sla.availability")
    else:
        raise BadOption(f"{path}: there is no place '{key}': count a list's items from 0, without gaps")


def _sections(tree: dict[str, Tree]) -> Iterator[str]:
    """Yield the file's lines: each section under its description, each key beside its own."""
    for key, value in tree.items():
        below, about = _about((Contract,), key)
        if isinstance(value, dict) and value:
            yield ""
            yield f"# {about}" if about else ""
            yield f"{key}:"
            yield from _lines(value, _chosen(below, value), 1)
        else:
            yield _commented(f"{key}: {_inline(value)}", about)


def _lines(tree: dict[str, Tree], models: Models, depth: int) -> Iterator[str]:
    for key, value in tree.items():
        below, about = _about(models, key)
        if isinstance(value, dict) and value:
            yield _commented(f"{'  ' * depth}{key}:", about)
            yield from _lines(value, _chosen(below, value), depth + 1)
        else:
            yield _commented(f"{'  ' * depth}{key}: {_inline(value)}", about)


def _about(models: Models, key: str) -> tuple[Models, str]:
    for model in models:
        for name, field in model.model_fields.items():
            if key == (field.alias or name):
                return tuple(models_of(field.annotation)), field.description or ""
    return (), ""


def _chosen(models: Models, value: dict[str, Tree]) -> Models:
    kind = value.get("kind")
    chosen = tuple(model for model in models if isinstance(kind, str) and model.__name__ == KINDS.get(kind))
    return chosen or models


def _commented(line: str, about: str) -> str:
    return f"{line:<{_COMMENT_COLUMN}}  # {about}" if about else line


def _inline(value: Tree) -> str:
    if isinstance(value, list):
        return f"[{_joined(_inline(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{_joined(f'{key}: {_inline(item)}' for key, item in value.items())}}}"
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)
