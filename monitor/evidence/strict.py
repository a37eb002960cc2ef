"""One line of evidence, judged strictly: a record, or every problem that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from contract.model import Micros
from crm.errors import CrmhostError
from monitor.evidence.model import CustomerCause, Record, Window
from monitor.span import Span

MAX_LINE = 16 * 1024
"""Bytes of one line."""

MAX_SHOWN = 100
"""How many problems of one file an error shows; it says how many more there are."""

_SPAN = ("vantage", "from", "to", "state")
_KEYS = {
    "span": (_SPAN, ("reason",)),
    "maintenance": (("exclusion", "from", "to", "announced"), ()),
    "customer": (("exclusion", "from", "to", "reason"), ()),
}
_SHAPES = (
    "write a span {vantage, from, to, state, reason}, or an exclusion {exclusion: maintenance, from, to, announced} "
    "or {exclusion: customer, from, to, reason}"
)
_INSTANT = "write an instant with its offset and at most six decimals, as in 2026-10-03T02:00:00.000000Z"


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Problem(NamedTuple):
    """What is wrong at one line (counted from 1): what was found, and what to write instead."""

    line: int
    found: str
    remedy: str


class EvidenceError(CrmhostError):
    """Evidence that cannot be used; `problems` holds every one of the file."""

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        shown = [f"{name}:{one.line}: {one.found}; {one.remedy}" for one in problems[:MAX_SHOWN]]
        if len(problems) > MAX_SHOWN:
            shown.append(f"{name}: {len(problems) - MAX_SHOWN} more problems like these")
        super().__init__("\n".join(shown))
        self.problems = problems


class NotEvidence(Exception):
    """Carries what is wrong with one line: pairs of what was found and what to write."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__(problems)
        self.problems = problems


def parse_instant(text: str) -> Micros:
    """Read an instant (RFC 3339, at most six decimals) as microseconds; raises ValueError for anything else."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text!r} is no instant")
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def record_of(line: str) -> Record:
    """Read one line; raises NotEvidence with every problem that it has."""
    fields = _object(line)
    kind, unknown = _kind(fields)
    required, optional = _KEYS[kind]
    problems = [(f"unknown key {_shown(key)}", f"remove it; a {kind} has {', '.join(required + optional)}")
                for key in fields if key not in required + optional]  # fmt: skip
    problems += [
        (f"`{key}` is missing", f"a {kind} has {', '.join(required)}") for key in required if key not in fields
    ]
    values = {key: _value(key, fields[key], problems) for key in required + optional if key in fields}
    start, end = values.get("from"), values.get("to")
    if isinstance(start, int) and isinstance(end, int) and start >= end:
        problems.append((f"`from` {fields['from']} is not before `to` {fields['to']}", "write a stretch that lasts"))
    if problems or unknown:
        raise NotEvidence(*unknown, *problems)
    return _RECORDS[kind](values)


def _object(line: str) -> Mapping[str, object]:
    """Read the line as one JSON object without repeated keys."""
    try:
        fields = json.loads(line, object_pairs_hook=_once)
    except RecursionError:
        raise NotEvidence(("brackets nested too deep", _SHAPES)) from None
    except ValueError as error:
        found = (
            f"no JSON ({error.msg} at column {error.colno})" if isinstance(error, json.JSONDecodeError) else "no JSON"
        )
        raise NotEvidence((found, _SHAPES)) from None
    if not isinstance(fields, dict):
        raise NotEvidence((f"{_shown(fields)} instead of an object", _SHAPES))
    return fields


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise NotEvidence((f"{_shown(twice[0])} is written twice", "write every key once"))
    return fields


def _kind(fields: Mapping[str, object]) -> tuple[str, list[tuple[str, str]]]:
    """Tell a span from an exclusion, and complain of an exclusion of no known kind."""
    if "exclusion" not in fields:
        return "span", []
    kind = fields["exclusion"]
    if kind in ("maintenance", "customer"):
        return str(kind), []
    raise NotEvidence((f"exclusion {_shown(kind)}", "write maintenance or customer"))


def _value(key: str, value: object, problems: list[tuple[str, str]]) -> int | str:
    """Read the value of one known key; a problem is noted, and the value is then of no use."""
    if key in ("from", "to", "announced"):
        return _instant(key, value, problems)
    if key == "state" and value not in ("up", "down"):
        problems.append((f"`state` {_shown(value)}", "write up or down (unknown time has no span)"))
    if key == "reason" and value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable() or (key == "vantage" and not value):
        problems.append((f"`{key}` {_shown(value)}", "write a text without control characters"))
        return ""
    return value


def _instant(key: str, value: object, problems: list[tuple[str, str]]) -> int | str:
    try:
        return parse_instant(value if isinstance(value, str) else "")
    except ValueError:
        problems.append((f"`{key}` {_shown(value)}", _INSTANT))
        return ""


def _shown(value: object) -> str:
    """Spell a value of somebody else's file for an error: one short line, without control characters."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _span(values: Mapping[str, int | str]) -> Record:
    state = "down" if values["state"] == "down" else "up"
    return Span(str(values["vantage"]), int(values["from"]), int(values["to"]), state, str(values.get("reason", "")))  # type: ignore[arg-type] # one of the two states, by the line above


def _maintenance(values: Mapping[str, int | str]) -> Record:
    return Window(int(values["from"]), int(values["to"]), int(values["announced"]))


def _customer(values: Mapping[str, int | str]) -> Record:
    return CustomerCause(int(values["from"]), int(values["to"]), str(values["reason"]))


_RECORDS: Mapping[str, Callable[[Mapping[str, int | str]], Record]] = {
    "span": _span,
    "maintenance": _maintenance,
    "customer": _customer,
}
