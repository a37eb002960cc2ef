"""Contracts and golden cases as texts, for the tests of every room."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from contract.model import Contract
from contract.parse import parse
from contract.source import Mapping, Node, Scalar, Sequence, plain_data, read

HEAD = """\
contract: acme
customer: {name: ACME Co., language: vi}
crm: {recipe: creme, version: 2.8.6, url: https://crm.acme.example/}
target: {kind: webhost, host: web.example, user: acme}
"""
"""The sections that every contract has; a test adds what it is about."""

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def contract_of(text: str, name: str = "acme") -> Contract:
    """Return the contract of a text, or fail with its mistakes."""
    parsed = parse(text.encode(), f"{name}.yaml")
    assert parsed.contract is not None, "\n".join(map(str, parsed.errors))
    return parsed.contract


def golden(path: Path) -> Any:  # noqa: ANN401 - whatever a YAML file holds
    """Return a YAML file of golden cases, every scalar as its text."""
    return plain_data(_root(path))


def as_editors_see(path: Path) -> Any:  # noqa: ANN401 - whatever a YAML file holds
    """Return a YAML file as an editor's YAML 1.2 reader gives it to a JSON Schema: numbers and booleans resolved."""
    return _resolved(_root(path))


def _root(path: Path) -> Mapping:
    source = read(path.read_bytes(), path.name)
    assert source.root is not None, source.problems
    return source.root


def _resolved(node: Node) -> Any:  # noqa: ANN401 - whatever a YAML file holds
    if isinstance(node, Mapping):
        return {key: _resolved(item) for key, item in node.items.items()}
    if isinstance(node, Sequence):
        return [_resolved(item) for item in node.items]
    return _scalar(node)


def _scalar(node: Scalar) -> Any:  # noqa: ANN401 - whatever a YAML file holds
    if not node.plain:
        return node.text
    if node.text in {"true", "false"}:
        return node.text == "true"
    if node.text in {"", "null", "~"}:
        return None
    if _NUMBER.fullmatch(node.text):
        return float(node.text) if "." in node.text else int(node.text)
    return node.text
