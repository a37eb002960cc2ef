"""Amendments of a file: each is merged into what held before it, and the result is read as strictly as the file.

Mappings are merged key by key; a text or a list takes the place of what was there, and so does what is chosen as a
whole (the period, the formula, a target of another kind). `KEY: none` takes away what was agreed before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

from contract.explain import Finding, did_you_mean, line_of
from contract.model import Amendment
from contract.moment import Moment, moment
from contract.problem import Path, quoted
from contract.rules import check
from contract.sections import KEYS, read_sections
from contract.source import Mapping, Node, Scalar, Sequence

_WHOLE = frozenset({("sla", "period"), ("sla", "credit", "formula"), ("sla", "holidays"), ("support", "holidays")})
_NONE_IS_A_VALUE = frozenset({("sla", "holidays"), ("support", "holidays"), ("licence", "fee")})
_CHANGED = tuple(key for key in KEYS if key != "contract")


@dataclass(frozen=True, slots=True)
class Amended:
    """One amendment: the file as it reads from its date on, and what is wrong or odd with that.

    `amendment` is None where it has mistakes; `keys` are the sections that it changes; paths are of the merged file.
    """

    index: int
    line: int
    keys: frozenset[str]
    root: Mapping
    findings: tuple[Finding, ...]
    amendment: Amendment | None

    def known(self) -> frozenset[tuple[Finding, int]]:
        """Return what need not be said again of later amendments."""
        return frozenset((one, line_of(self.root, one.path)) for one in self.findings)


def amendments_of(root: Mapping, base: Mapping) -> tuple[tuple[Amended, ...], tuple[Finding, ...]]:
    """Return a file's amendments in its order, and the mistakes in their form; `base` is the file without them."""
    node = root.items.get("amendments")
    if node is None:
        return (), ()
    if not isinstance(node, Sequence):
        remedy = "write a list, each with its date: 'amendments: [{from: 2026-07-01, sla: {availability: 99 %}}]'"
        return (), (Finding(("amendments",), remedy),)
    amended: list[Amended] = []
    mistakes: list[Finding] = []
    for index, item in enumerate(node.items):
        path = ("amendments", index)
        if not isinstance(item, Mapping):
            mistakes.append(Finding(path, "write 'from:' and the sections that change"))
            continue
        formal = tuple(_formal(item, path))
        start = _start(item, (*path, "from"))
        mistakes += formal + ((start,) if isinstance(start, Finding) else ())
        one = _amended(index, item, base, start if isinstance(start, Moment) and not formal else None)
        amended.append(one)
        base = one.root
    return tuple(amended), tuple(mistakes)


def _formal(item: Mapping, path: Path) -> Iterator[Finding]:
    unknown = [key for key in item.items if key not in {"from", *_CHANGED}]
    for key in unknown:
        remedy = did_you_mean(key, ("from", *_CHANGED)) or f"an amendment changes {', '.join(_CHANGED)}"
        yield Finding((*path, key), remedy.strip(), f"the unknown key {quoted(key)}")
    if not unknown and not set(item.items) & set(_CHANGED):
        yield Finding(path, f"write what changes: one of {', '.join(_CHANGED)}", "no change")


def _start(item: Mapping, path: Path) -> Moment | Finding:
    node = item.items.get("from")
    if node is None:
        return Finding(path[:-1], "add it, as in 'from: 2026-07-01'", "no 'from'")
    try:
        return moment(node.text if isinstance(node, Scalar) else None)
    except PydanticCustomError as error:
        context = error.context or {}
        return Finding(path, str(context["remedy"]), context.get("found"))


def _amended(index: int, item: Mapping, base: Mapping, start: Moment | None) -> Amended:
    changes = {key: node for key, node in item.items.items() if key in _CHANGED}
    keys = {key: item.keys[key] for key in changes}
    merged = _merged(base, Mapping(item.line, changes, keys), ())
    sections, wrong = read_sections(merged)
    findings = (*(one for one in wrong if one.path and one.path[0] in changes), *check(sections))
    amendment = None
    if start is not None and not wrong:
        values = sections.values()
        amendment = Amendment.model_construct(start=start, **{KEYS[key]: values[KEYS[key]] for key in changes})
    return Amended(index, item.line, frozenset(changes), merged, findings, amendment)


def _merged(before: Mapping, change: Mapping, path: tuple[str, ...]) -> Mapping:
    items, keys = dict(before.items), dict(before.keys)
    for key, node in change.items.items():
        here = (*path, key)
        old = items.get(key)
        if path and _is_none(node) and here not in _NONE_IS_A_VALUE:
            items.pop(key, None)
            continue
        merges = isinstance(old, Mapping) and isinstance(node, Mapping) and not _replaces(here, old, node)
        items[key] = (
            _merged(old, node, here) if merges and isinstance(old, Mapping) and isinstance(node, Mapping) else node
        )
        keys[key] = change.keys[key]
    return Mapping(change.line, items, keys)


def _is_none(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text == "none"


def _replaces(path: tuple[str, ...], old: Mapping, new: Mapping) -> bool:
    """Return whether a mapping takes the other's place as a whole."""
    if path == ("target",):
        kinds = [
            node.text if isinstance(node, Scalar) else None for node in (old.items.get("kind"), new.items.get("kind"))
        ]
        return kinds[1] is not None and kinds[0] != kinds[1]
    return path in _WHOLE
