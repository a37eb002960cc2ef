"""Lines of the account's crontab, one for each job, each under an flock so that a job never runs twice at once.

A line of ours ends with `# crmhost KEY`, which the shell that cron starts takes for a comment. All other lines stay as
they are, byte for byte. Contracts share the crontab, so it is changed under a lock of the account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.shell import Sh, flocked, lines, sh
from playbooks.terminal import safe_line

State: TypeAlias = Literal["there", "absent", "no-tool", "denied"]
_KEY = re.compile(r"[A-Za-z0-9_/-]+")
_LONGEST = 990  # bytes; some crons cut a command at 998


@dataclass(frozen=True, slots=True)
class CronWanted:
    """A shell command every so many minutes (a divisor of 60, or whole hours that divide 24).

    lock: path of the file that is locked while it runs; log: path that it appends what it prints to.
    """

    command: Sh
    lock: str
    log: str
    every: int = 1

    def line(self, key: str) -> str:
        """Return the crontab's line; raises ValueError for what a crontab cannot say."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"cron:{key}: a key has letters, digits, _, - and / only")
        command = sh(
            "umask 077; flock -n {lock} sh -c {command} >>{log} 2>&1",
            lock=self.lock,
            command=self.command.text,
            log=self.log,
        ).text.replace("%", "\\%")
        text = f"{_when(self.every)} {command} {_mark(key)}"
        if "\n" in text or len(text.encode()) > _LONGEST:
            raise ValueError(f"cron:{key}: a crontab's line has at most {_LONGEST} bytes; put the command in a file")
        return text


@dataclass(frozen=True, slots=True)
class CronSeen:
    """The lines that end with the key's mark. no-tool: the host has no crontab; denied: the account may not use it."""

    state: State
    found: tuple[str, ...] = ()
    detail: str = ""

    @property
    def usable(self) -> bool:
        """Tell whether the account can have jobs at all; where not, nothing differs and the plan must say so."""
        return self.state in {"there", "absent"}


@dataclass(frozen=True, slots=True)
class CronKind:
    """Keys name jobs, such as `acme/jobs`. Not wanted: the job's lines go."""

    name: str = "cron"
    account: Account = "login"

    def ask(self, wants: Mapping[str, CronWanted | None]) -> Sh:
        """Print a row KEY STATE DETAIL for each, and a row KEY line TEXT for each line with its mark."""
        return sh(
            """\
x=there; t=
if ! command -v crontab >/dev/null 2>&1; then x=no-tool
elif ! t=$(crontab -l 2>&1); then
  case $t in *[Nn]o\\ crontab*|*[Nn]o\\ such\\ file*) ;; *) x=denied ;; esac
fi
for p in {keys}; do
  if [ "$x" != there ]; then row "$p" "$x" "$t"; continue; fi
  row "$p" there ''
  set -f; i=$IFS; IFS='
'
  for l in $t; do case $l in *" # crmhost $p") row "$p" line "$l" ;; esac; done
  set +f; IFS=$i
done""",
            keys=tuple(wants),
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, CronSeen]:
        """Return each job's lines; raises HostError for a row of another shape."""
        found: dict[str, CronSeen] = {}
        texts: dict[str, list[str]] = {}
        for row in rows:
            match row:
                case (key, "line", text) if key in found:
                    texts.setdefault(key, []).append(text)
                case (key, "there" | "no-tool" | "denied" as state, detail) if key not in found:
                    found[key] = CronSeen(state, detail=detail)
                case _:
                    raise places.malformed(self.name, row)
        for key, seen in found.items():
            if seen.state == "there":
                there = tuple(texts.get(key, ()))
                found[key] = CronSeen("there" if there else "absent", there)
        return found

    def diff(self, key: str, want: CronWanted | None, seen: CronSeen | None) -> Change | None:
        """Return what would change; nothing does where the account cannot have jobs."""
        name, there = f"{self.name}:{key}", seen or CronSeen("absent")
        wanted = () if want is None else (want.line(key),)
        if not there.usable or there.found == wanted:
            return None
        old, new = (f"- {safe_line(line)}" for line in there.found), (f"+ {line}" for line in wanted)
        if want is None:
            return Change(name, "delete", "it is not wanted", tuple(old))
        if not there.found:
            return Change(name, "create", "it is not there", tuple(new))
        return Change(name, "update", "its line differs", (*old, *new))

    def act(self, key: str, want: CronWanted | None, seen: CronSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Put the job's line where it belongs; the crontab is left alone when it cannot be read."""
        added = sh(":") if want is None else sh("printf '%s\\n' {line} >>\"$staging/cron.new\"", line=want.line(key))
        return Act(lines(_READ, sh(_REPLACE, mark=f" {_mark(key)}$", added=added)))


_READ = sh(
    """\
exec 7>>.crmhost/crontab.lock
{flocked}
if ! crontab -l >"$staging/cron.old" 2>"$staging/cron.err"; then
  if grep -qi -e 'no crontab' -e 'no such file' "$staging/cron.err"; then : >"$staging/cron.old"
  else cat "$staging/cron.err"; exit 1; fi
fi""",
    flocked=flocked(7, 20, sh("echo 'another operation holds the lock of the crontab'; exit 1")),
)
_REPLACE = """\
LC_ALL=C grep -v -e {mark} "$staging/cron.old" >"$staging/cron.new" || [ "$?" = 1 ]
{added}
if cmp -s "$staging/cron.old" "$staging/cron.new"; then exit 0; fi
if [ -s "$staging/cron.new" ]; then crontab "$staging/cron.new"; else crontab -r; fi"""


def _mark(key: str) -> str:
    return f"# crmhost {key}"


def _when(every: int) -> str:
    if every == 1:
        return "* * * * *"
    if 1 < every < 60 and 60 % every == 0:
        return f"*/{every} * * * *"
    hours, rest = divmod(every, 60)
    if rest or not hours or 24 % hours:
        raise ValueError(f"a job every {every} minutes: cron can say divisors of 60, or hours that divide a day")
    return f"0 */{hours} * * *" if hours < 24 else "0 0 * * *"
