"""Make a Markdown comment of what `crmhost plan --all --json` or `crmhost deploy --all --json` printed.

    crmhost plan --all --json > plan.jsonl
    python3 comment.py plan < plan.jsonl > comment.md

Needs Python alone. What hosts and files say is shown inside fences longer than any run of backticks in it, so none of
it is read as Markdown. The comment is shorter than GitHub (65,536 characters) and GitLab allow.
"""
# ruff: noqa: INP001 -- a script that fleets copy, not a part of a package

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

MOST = 60_000
Line = dict[str, Any]


def comment(verb: str, lines: Sequence[Line]) -> str:
    """Return the comment: the result of every contract, then its changes, its notes and its error in full."""
    results = [line for line in lines if line["type"] == "result"]
    parts = [f"<!-- crmhost {verb} -->", f"### crmhost {verb}: {_total(lines, results)}", ""]
    parts += ["| contract | result | changes |", "|---|---|---|"]
    for one in results:
        count = "" if one["changes"] is None else one["changes"]
        parts.append(f"| {one['contract']} | {one['did']} | {count} |")
    for one in results:
        told = [*_changes(one["contract"], lines), *_error(one)]
        if told:
            head = f"<details><summary>{one['contract']}: {one['did']}</summary>"
            parts += ["", head, "", *_fenced(told), "", "</details>"]
    return _short("\n".join(parts))


def _total(lines: Sequence[Line], results: Sequence[Line]) -> str:
    last = next((line for line in lines if line["type"] == "fleet"), None)
    if last is None:
        return f"it ended before it was done; {len(results)} contracts had a result"
    said = {"changes": "with changes", "nothing": "with nothing to do"}
    return ", ".join(f"{len(names)} {said.get(did, did)}" for did, names in last["results"].items())


def _changes(contract: str, lines: Sequence[Line]) -> list[str]:
    told = []
    for line in lines:
        if line.get("contract") != contract:
            continue
        if line["type"] == "change":
            told.append(f"{line['action']} {line['resource']}: {line['why']}")
            told += [f"    {text}" for text in line["diff"]]
            told += [f"    disrupts: {line['disrupts']}"] if line["disrupts"] != "no" else []
        elif line["type"] == "plan":
            told += [f"note: {note}" for note in line["notes"]]
    return told


def _error(result: Line) -> list[str]:
    return [text for text in (result["error"], result["remedy"]) if text]


def _fenced(texts: Iterable[str]) -> list[str]:
    body = "\n".join(texts)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    return [f"{fence}text", body, fence]


def _short(text: str) -> str:
    if len(text) <= MOST:
        return text
    kept, fence = text[:MOST], ""
    for line in kept.splitlines():
        if not fence and re.fullmatch("`{3,}text", line):
            fence = line.removesuffix("text")
        elif line == fence:
            fence = ""
    return "\n".join([kept, *([fence, "", "</details>"] if fence else []), "", "…and more: see the job's own output."])


if __name__ == "__main__":
    sys.stdout.write(comment(sys.argv[1], [json.loads(line) for line in sys.stdin if line.strip()]) + "\n")
