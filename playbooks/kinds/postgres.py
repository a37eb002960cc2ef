"""Asking and telling the host's PostgreSQL server, as its own administrator: what roles and databases share.

The search path is the server's own catalogue alone: a customer may have put functions of any name into a database that
the administrator connects to.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal, LiteralString, TypeAlias

from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

State: TypeAlias = Literal["absent", "there", "no-tool", "down"]
"""`no-tool`: PostgreSQL is not installed; `down`: its server does not answer, so nothing is known."""

DOWN = "PostgreSQL does not answer"
_LONGEST = 63  # bytes of a name; PostgreSQL cuts longer ones off without a word
_PATIENCE = 10  # seconds that a server which has just been installed or started has for its first answer


def checked(what: str, name: str) -> str:
    """Return the name of a role or database; raises ValueError for what PostgreSQL cannot have."""
    if not name or len(name.encode()) > _LONGEST or any(unicodedata.category(letter) == "Cc" for letter in name):
        raise ValueError(f"{what}:{safe_line(name)}: a name has 1 to {_LONGEST} bytes and no control characters")
    return name


def why(state: State, detail: str) -> tuple[str, tuple[str, ...]]:
    """Return why something must be made, and the lines of a plan, where it is not known to be there."""
    match state:
        case "down":
            return DOWN, (safe_line(detail),)
        case "no-tool":
            return "PostgreSQL is not installed yet", ()
        case _:
            return "it is not there", ()


def sql(template: LiteralString, **values: str) -> str:
    """Return the template with its fields filled by SQL: what `literal`, `identifier` and `sql` return."""
    return template.format_map(values)


def literal(text: str) -> str:
    """Return SQL for a text; `run` sees to it that a backslash means itself."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return SQL for a name."""
    return '"' + name.replace('"', '""') + '"'


def connect(database: str) -> str:
    """Return the line after which psql talks to another database; what libpq is told is quoted for it, and for psql."""
    settings = "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "\\connect -reuse-previous=on " + identifier(settings)


def run(text: str) -> Sh:
    """Return shell that runs SQL, prints its rows with `|` between fields, and fails at the first error."""
    return sh(
        """\
printf '%s\\n' {text} | (
  cd / && exec env PGCLIENTENCODING=UTF8 PGOPTIONS={options} \\
    runuser -u postgres -- psql -XAtqw -v ON_ERROR_STOP=1 -d postgres -f -
)""",
        text=text,
        options="-c standard_conforming_strings=on -c search_path=pg_catalog",
    )


def ask(text: str, keys: Sequence[str], each: Sh) -> Sh:
    """Return a fragment that prints a row KEY no-tool '' or KEY down DETAIL for each key, or does `each` for each line.

    `each` finds the line's fields in a, b, c, d and e, and may `shift` to the next key.
    """
    return sh(
        """\
pg() {{
{run}
}}
set -- {keys}
x=up; t=
if ! command -v psql >/dev/null 2>&1 || ! id -u postgres >/dev/null 2>&1; then x=no-tool
elif ! t=$(pg 2>/dev/null); then
  x=down; t=$(pg 2>&1 >/dev/null)
fi
if [ "$x" != up ]; then for p do row "$p" "$x" "$t"; done
else
  while IFS='|' read -r a b c d e; do
{each}
  done <<answer
$t
answer
fi""",
        keys=tuple(keys),
        run=run(text),
        each=each,
    )


def tell(text: str) -> Sh:
    """Return shell that runs SQL once the server answers; where it does not, it fails and names what to look at."""
    return sh(
        """\
probe() {{
{probe}
}}
n=0
until probe >/dev/null 2>&1; do
  n=$((n + 1))
  if [ "$n" -ge {tries} ]; then
    probe || true
    echo {down}
    exit 1
  fi
  sleep 0.5
done
{run}""",
        probe=run("SELECT 1"),
        tries=_PATIENCE * 2,
        down="PostgreSQL does not answer; look at `systemctl status postgresql`, start it, and try again",
        run=run(text),
    )


def answers(text: str, expected: str) -> Sh:
    """Return shell that succeeds when the server answers exactly so."""
    return sh('[ "$({run} 2>/dev/null)" = {expected} ]', run=run(text), expected=expected)
