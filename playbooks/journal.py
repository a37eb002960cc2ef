"""The journal of a contract on its host: JSON Lines of what was begun and how it ended, appended by the host.

A line: `{"version":1,"at":"2026-11-22T18:00:00.123456Z","who":"ann@laptop","operation":"9f2c01aa","phase":"stage",
"subject":"file:…","state":"begin"}`; `at` is UTC by the host's clock; a failed one has a `code` too. No line holds a
secret. At the size of LIMIT the file becomes `journal.1`, so both together stay below a few megabytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast, get_args

from crm.plan import Event
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

State: TypeAlias = Literal["begin", "done", "same", "failed", "note"]
LIMIT = 1_000_000  # bytes of one generation; two are kept
VERSION = 1

FUNCTIONS = sh(
    """\
now() {{
  t=$(date -u +%Y-%m-%dT%H:%M:%S.%6N)
  case $t in *[!0-9T:.-]*|*.) t=$(date -u +%Y-%m-%dT%H:%M:%S.000000) ;; esac
  printf '%sZ' "$t"
}}
journal() {{
  printf '%s\\n' "$1" >>"$d/journal" || return 1
}}
journal_why() {{ {{ echo | cat >>"$d/journal"; }} 2>&1; }}
entry() {{
  printf '{{"version":1,"at":"%s",%s,"phase":%s,"subject":%s,"state":"%s"%s}}' \\
    "$(now)" "$origin" "$phase" "$2" "$1" "${{3:+,\\"code\\":$3}}"
}}"""
)
"""Shell that needs `d` (the contract's folder), `origin` and `phase`; `entry STATE SUBJECT [CODE]` prints a line.

The 6 digits are GNU's; another `date` leaves letters in its answer, and the fraction is then zero.
"""

ROTATE = sh(
    """\
if [ -f "$d/journal" ]; then
  [ "$(wc -c <"$d/journal")" -lt {limit} ] || mv -f "$d/journal" "$d/journal.1"
  [ ! -s "$d/journal" ] || [ -z "$(tail -c 1 "$d/journal")" ] || echo >>"$d/journal"
fi""",
    limit=LIMIT,
)
"""Shell, run under the lock: bounds the journal, and ends a line that a crash left open."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal, as the host has it: its texts are data. code: the exit code of what failed."""

    at: datetime
    who: str
    operation: str
    phase: str
    subject: str
    state: State
    code: int | None = None

    @property
    def event(self) -> Event:
        """Return the line as progress, safe for a terminal: the host wrote it."""
        detail = "" if self.code is None else f"exit code {self.code}"
        return Event(safe_line(self.phase), safe_line(self.subject), self.state, detail)


def quoted(text: str) -> str:
    """Return the text as a JSON string of printable ASCII."""
    return json.dumps(text, ensure_ascii=True)


def origin(who: str, operation: str) -> str:
    """Return the members of a line that are the same for a whole operation."""
    return f'"who":{quoted(who)},"operation":{quoted(operation)}'


def read(content: bytes) -> tuple[Entry, ...]:
    """Return the journal's entries in order; lines that a crash tore, or that are not ours, are left out."""
    return tuple(entry for line in content.split(b"\n") if (entry := parse(line)) is not None)


def parse(line: bytes) -> Entry | None:
    """Return one line's entry, or None for what is not a line of this version."""
    try:
        fields: Any = json.loads(line)
        state = fields["state"]
        if fields["version"] != VERSION or state not in get_args(State):
            return None
        at = datetime.fromisoformat(fields["at"]).astimezone(UTC)
        who, operation, phase, subject = (str(fields[name]) for name in ("who", "operation", "phase", "subject"))
        code = fields.get("code")
        return Entry(at, who, operation, phase, subject, cast(State, state), None if code is None else int(code))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def tail(contract: str, size: int = 65536) -> Sh:
    """Return a script that prints the end of the contract's journal, at most `size` bytes; nothing where none is."""
    return sh("cd && tail -c {size} {path} 2>/dev/null; true", size=size, path=f".crmhost/{contract}/journal")
