"""Processes of the account itself, where no service manager can be had: started, stopped, replaced.

A process is up if and only if its run-lock is held: an flock on descriptor 8, which it and its children inherit, so
the kernel itself tells the truth about it. Beside the lock lies what was started: process id, digest of the command,
seconds to stop. It leads a session and process group of its own and does not hold the operation's lock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.shell import Sh, flocked, lines, sh

LOG_LIMIT = 5_000_000  # bytes after which a log becomes LOG.1 at the next start
_STARTING = 5  # seconds


@dataclass(frozen=True, slots=True)
class ProcessWanted:
    """A program that must run. argv and env are public; log: path of what it prints; stop: seconds to end by itself."""

    argv: tuple[str, ...]
    cwd: str
    log: str
    env: Mapping[str, str] = field(default_factory=dict)
    stop: int = 30

    @property
    def digest(self) -> str:
        """Return a name of the command (16 hex digits): what runs under another one is replaced."""
        parts = [self.argv, self.cwd, self.log, sorted(self.env.items())]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """What runs. pid: of the leader; digest: of the command that it was started with, empty where no record is."""

    up: bool
    pid: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ProcessKind:
    """Keys are paths without an ending: KEY.lock and KEY.pid lie there. Not wanted: it is stopped."""

    name: str = "process"
    account: Account = "login"

    def ask(self, wants: Mapping[str, ProcessWanted | None]) -> Sh:
        """Print a row KEY up PID DIGEST or KEY down for each."""
        return lines(
            _HELD,
            sh(
                """\
for p in {keys}; do
  a=; b=; c=
  if held "$p"; then
    [ ! -f "$p.pid" ] || read -r a b c <"$p.pid"
    row "$p" up "$a" "$b"
  else row "$p" down; fi
done""",
                keys=tuple(wants),
            ),
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, ProcessSeen]:
        """Return what runs; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> ProcessSeen:
        match row[1:]:
            case ("down",):
                return ProcessSeen(up=False)
            case ("up", pid, digest) if not pid or (pid.isascii() and pid.isdigit()):
                return ProcessSeen(up=True, pid=int(pid or 0), digest=digest)
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: ProcessWanted | None, seen: ProcessSeen | None) -> Change | None:
        """Return what would change."""
        name, found = f"{self.name}:{key}", seen or ProcessSeen(up=False)
        if want is None:
            return Change(name, "stop", "it is not wanted", disrupts="outage") if found.up else None
        if not found.up:
            return Change(name, "start", "it is down")
        if found.digest != want.digest:
            return Change(name, "restart", "what runs was started with another command", disrupts="restart")
        return None

    def act(self, key: str, want: ProcessWanted | None, seen: ProcessSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Stop what runs there, and start what should."""
        if want is None:
            return Act(stop(key), guard=lines(_HELD, sh("! held {key}", key=key)))
        guard = sh('held {key} && read -r a b c <{key}.pid && [ "$b" = {digest} ]', key=key, digest=want.digest)
        return Act(lines(stop(key), start(key, want)), guard=lines(_HELD, guard))


def start(key: str, want: ProcessWanted) -> Sh:
    """Return shell that starts the process and fails, with the end of its log, when it ends at once.

    Whoever calls it holds the operation's lock as descriptor 9; the process does not.
    """
    return lines(
        _HELD,
        rotate(want.log),
        sh(
            """\
: >>{log}
chmod 600 -- {log}
rm -f -- {key}.pid
setsid sh -c {launch} crmhost {key} {digest} {stop} {cwd} env {env} {argv} </dev/null >>{log} 2>&1 9>&- &
n=0
while [ ! -f {key}.pid ] && [ "$n" -lt {tries} ]; do sleep 0.1; n=$((n + 1)); done
sleep 0.3
if ! held {key}; then
  echo 'it ended at once; the end of its log:'
  tail -n 20 -- {log}
  exit 1
fi""",
            key=key,
            log=want.log,
            launch=_LAUNCH.text,
            digest=want.digest,
            stop=want.stop,
            cwd=want.cwd,
            env=tuple(f"{name}={value}" for name, value in sorted(want.env.items())),
            argv=want.argv,
            tries=_STARTING * 10,
        ),
    )


def stop(key: str) -> Sh:
    """Return shell that ends what holds the run-lock: TERM to its group, KILL after the seconds of its record.

    Nothing happens when nothing runs; it fails when something outlives even KILL, or left no record.
    """
    return lines(
        _HELD,
        sh(
            """\
if held {key}; then
  pid=; patience=
  [ ! -f {key}.pid ] || read -r pid digest patience <{key}.pid
  case $pid in ''|0*|1|*[!0-9]*) echo {unknown}; exit 1 ;; esac
  case $patience in ''|*[!0-9]*) patience=30 ;; esac
  kill -TERM "-$pid" 2>/dev/null || true
  n=0
  while held {key} && [ "$n" -lt "$((patience * 5))" ]; do sleep 0.2; n=$((n + 1)); done
  if held {key}; then kill -KILL "-$pid" 2>/dev/null || true; fi
  n=0
  while held {key} && [ "$n" -lt 25 ]; do sleep 0.2; n=$((n + 1)); done
  if held {key}; then echo "it still runs after KILL, in process group $pid"; exit 1; fi
fi
rm -f -- {key}.pid""",
            key=key,
            unknown=f"it runs, but {key}.pid does not say as which process; end it by hand",
        ),
    )


def rotate(log: str, limit: int = LOG_LIMIT) -> Sh:
    """Return shell that keeps a log and one older generation below about `limit` bytes each, while it is written to.

    Its writers append, so the file is emptied in place.
    """
    return sh(
        """\
if [ -f {log} ] && [ "$(wc -c <{log})" -gt {limit} ]; then cp -p -- {log} {log}.1 && : >{log}; fi""",
        log=log,
        limit=limit,
    )


_HELD = sh(
    """\
held() {{ [ -e "$1.lock" ] && ! flock -n -s "$1.lock" true 2>/dev/null; }}"""
)
"""A shared try: two who ask at once do not take each other for the process."""

_LAUNCH = sh(
    """\
exec 8>>"$1.lock"
{flocked}
printf "%s %s %s\\n" "$$" "$2" "$3" >"$1.pid.new" && mv -f "$1.pid.new" "$1.pid" || exit 73
cd "$4" || exit 72
shift 4
exec "$@\"""",
    flocked=flocked(8, 5, sh("exit 75")),
)
