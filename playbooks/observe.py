"""Asking a host about all its resources in one round trip. Nothing is written there.

One POSIX sh script goes out. Each answer line is `NONCE KIND FIELD…`; a field is `=text` where all its characters are
harmless and `xHEX` otherwise, made so on the host; the last line counts the others. So nothing that a name, a profile
or a broken program prints can be taken for an answer.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crm.errors import HostError
from playbooks.host import Host
from playbooks.kind import Kind, Resource, Row
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe_line

TOOLS = ("flock", "setsid", "base64", "sha256sum", "od", "stat", "mv", "sync", "crontab", "python3")
_FACT = "fact"
_END = "end"
_FIELD = re.compile(r"=[A-Za-z0-9/._:@%+,=-]*|x(?:[0-9a-f]{2})+")

_PRELUDE = sh(
    """\
LC_ALL=C; export LC_ALL; umask 077
n=0
enc() {{
  case $1 in
    '') e='=' ;;
    *[!A-Za-z0-9/._:@%+,=-]*) e=x$(printf %s "$1" | od -An -v -tx1 | tr -d ' \\n') ;;
    *) e="=$1" ;;
  esac
}}
row() {{
  r="$nonce $kind"
  for f do enc "$f"; r="$r $e"; done
  printf '%s\\n' "$r"
  n=$((n + 1))
}}"""
)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a host answered.

    seen: by resource id, what its kind saw; None: it is not there. home: the account's home folder. missing: those of
    TOOLS that the host has not.
    """

    seen: Mapping[str, Any]
    home: str
    missing: frozenset[str]


def observe(host: Host, resources: Sequence[Resource], *, timeout: float = 30.0, limit: int = 1 << 20) -> Observation:
    """Ask the host about every resource, in one round trip of at most `timeout` seconds and `limit` bytes.

    Raises HostError when it cannot be asked, or answers what the script cannot have printed.
    """
    nonce = secrets.token_hex(8)
    answer = host.ask(question(resources, nonce, root=host.root), timeout=timeout, limit=limit)
    found = understood(host.name, resources, rows(host.name, answer, nonce), root=host.root)
    return replace(found, home=host.home) if host.root else found


def question(resources: Sequence[Resource], nonce: str, *, root: bool = False) -> Sh:
    """Return the script that asks about the resources, grouped by kind; root: it is asked as root.

    Root's home may be missing: whoever takes the lock makes it, and asking writes nothing.
    """
    kinds = _by_kind(resources, root=root).values()
    asked = [lines(sh("kind={name}", name=kind.name), kind.ask(wants)) for kind, wants in kinds]
    facts = sh(
        """\
kind={fact}
row home "$(pwd -P)"
for t in {tools}; do command -v "$t" >/dev/null 2>&1 || row missing "$t"; done""",
        fact=_FACT,
        tools=TOOLS,
    )
    end = sh('printf \'%s {end} %d\\n\' "$nonce" "$n"', end=_END)
    home = sh("cd 2>/dev/null || cd /") if root else sh("cd || exit 66")
    return lines(sh("nonce={nonce}", nonce=nonce), home, _PRELUDE, facts, *asked, end)


def rows(name: str, answer: bytes, nonce: str) -> Mapping[str, Sequence[Row]]:
    """Return the rows by kind; lines without the nonce are noise. Raises HostError for what is torn or malformed."""
    found: dict[str, list[Row]] = {}
    count, ended = 0, None
    for line in answer.decode("ascii", "replace").splitlines():
        first, *words = line.split(" ")
        if first != nonce:
            continue
        if ended is not None or not words:
            raise _malformed(name, line)
        if words[0] == _END:
            ended = _number(name, words)
            continue
        found.setdefault(words[0], []).append(tuple(_field(name, word) for word in words[1:]))
        count += 1
    if ended != count:
        raise HostError(
            f"{name}: the answer is torn: {count} lines arrived, {'no count' if ended is None else ended} was sent",
            "Run the same command again; if it stays so, look at the account's shell and disk.",
        )
    return found


def understood(
    name: str, resources: Sequence[Resource], answers: Mapping[str, Sequence[Row]], *, root: bool = False
) -> Observation:
    """Return what the kinds see in the rows; raises HostError for rows of no kind and resources without an answer."""
    kinds = _by_kind(resources, root=root)
    strange = set(answers) - set(kinds) - {_FACT}
    if strange:
        raise HostError(f"{name}: answered about what was not asked: {safe_line(', '.join(sorted(strange)))}")
    seen: dict[str, Any] = {}
    for kind, wants in kinds.values():
        read = kind.read(answers.get(kind.name, ()))
        if set(read) != set(wants):
            odd = safe_line(", ".join(sorted(set(read) ^ set(wants))))
            raise HostError(f"{name}: {kind.name}: asked about {len(wants)}, and these differ in the answer: {odd}")
        seen.update({f"{kind.name}:{key}": value for key, value in read.items()})
    facts = answers.get(_FACT, ())
    home = [row[1] for row in facts if row[0] == "home" and len(row) == 2]
    if len(home) != 1 or not home[0].startswith("/"):
        raise HostError(f"{name}: the account has no home folder", "Give the account a home folder that it may enter.")
    return Observation(seen, home[0], frozenset(row[1] for row in facts if row[0] == "missing"))


def _by_kind(resources: Sequence[Resource], *, root: bool) -> Mapping[str, tuple[Kind[Any, Any], dict[str, Any]]]:
    accounts = ("login", "root") if root else ("login",)
    kinds: dict[str, tuple[Kind[Any, Any], dict[str, Any]]] = {}
    for resource in resources:
        kind, wants = kinds.setdefault(resource.kind.name, (resource.kind, {}))
        if kind != resource.kind:
            raise ValueError(f"{resource.id}: two different kinds are called {kind.name!r}")
        if resource.key in wants:
            raise ValueError(f"{resource.id}: wanted twice")
        if kind.account not in accounts:
            raise ValueError(f"{resource.id}: this host is asked as {accounts[-1]}, not as {kind.account}")
        wants[resource.key] = resource.want
    return kinds


def _field(name: str, word: str) -> str:
    if not _FIELD.fullmatch(word):
        raise _malformed(name, word)
    return word[1:] if word[0] == "=" else bytes.fromhex(word[1:]).decode("utf-8", "surrogateescape")


def _number(name: str, words: Sequence[str]) -> int:
    if len(words) != 2 or not words[1].isdigit():
        raise _malformed(name, " ".join(words))
    return int(words[1])


def _malformed(name: str, line: str) -> HostError:
    return HostError(
        f"{name}: a line of the answer is malformed: {safe_line(line)}",
        "Check that `sh`, `od` and `tr` on the host are what they should be.",
    )
