"""The shell of an operation on the host. All of it is POSIX sh; nothing of it is in an argument list but `BOOT`.

*Keeper*: one process that holds the lock (an flock on descriptor 9) and reads one command a line from its standard
input: `beat`, `step`, `journal`, `run`, `stop`, `bye`. *Job*: what `run` starts, in a session and process group of its
own; it inherits descriptor 9, so the kernel frees the lock when the operation's last process ends. *Watcher*: a child
of the keeper that counts the seconds since the last command; it does not hold the lock.

- End of the keeper's input: it ends the job (TERM, then KILL), or waits for it when the job is unsafe to kill.
- Silence for `silence` seconds, or a killed keeper: the watcher does the same within a second or two.
- A killed watcher: the keeper starts another at the next command.
- Both killed: a batch ends before its next act; a step ends when it ends. It holds the lock as long.
- A killed job: its group is ended (or, unsafe, awaited), and the next beat's answer no longer names it.

Answers are lines that begin with the operation's nonce: `held`, `refused`, `locked`, `beat JOB`, `started JOB`,
`note ENTRY`, `full`, `exit JOB CODE BASE64`.
"""

from __future__ import annotations

from dataclasses import dataclass

from playbooks.journal import FUNCTIONS, ROTATE, origin, quoted
from playbooks.shell import Sh, flocked, lines, sh

BOOT = sh("""sh -c 'IFS= read -r p; eval "$(printf %s "$p" | base64 -d)"' crmhost""")
"""Reads one line of base64 and runs it. A shell reads lines from a pipe byte by byte, so the rest stays to be read."""

TAIL = 65536  # bytes of a step's output that come back
LOGS_KEPT = 20


@dataclass(frozen=True, slots=True)
class Operation:
    """One deploy (or rollback, or …) on a host. silence, grace: seconds until a silent one is ended, and is killed."""

    contract: str
    id: str
    nonce: str
    who: str
    doing: str
    silence: int = 45
    grace: int = 5

    @property
    def folder(self) -> str:
        """Return the contract's folder, below the home folder."""
        return f".crmhost/{self.contract}"

    @property
    def staging(self) -> str:
        """Return where this operation's files land, below the home folder."""
        return f"{self.folder}/staging/{self.id}"


def keeper(operation: Operation, *, root: bool = False) -> Sh:
    """Return the keeper's script; root: it runs as root, whose home folder is the engine's own and is made here."""
    return lines(_variables(operation), FUNCTIONS, _ROOTS_HOME if root else _OWN_HOME, _TAKE, _GROUP, _LOOP)


def batch(operation: Operation, job: int, phase: str, body: Sh) -> Sh:
    """Return a job that runs a batch; `body` may use `note`, `failed` and "$staging"."""
    return lines(_job(operation, job, phase, phase, safe=True), body, sh("leave 0"))


def step(operation: Operation, job: int, name: str, body: Sh, *, safe: bool) -> Sh:
    """Return a job that runs one step with the rest of its standard input; its output goes to a 0600 log."""
    run = sh(
        """\
out="$d/log/{log}.log"
note begin {subject}
(
{body}
) >"$out" 2>&1
code=$?
if [ "$code" = 0 ]; then note done {subject}; else note failed {subject} "$code"; fi
leave "$code" "$(tail -c {tail} "$out" | b64)\"""",
        subject=quoted(name),
        log=Sh(f"{operation.id}-{job}"),
        body=body,
        tail=TAIL,
    )
    return lines(_job(operation, job, "steps", name, safe=safe), run)


def _variables(operation: Operation) -> Sh:
    return sh(
        """\
umask 077
N={nonce}; S={silence}; G={grace}; o={id}; d={folder}
origin={origin}; doing={doing}""",
        nonce=operation.nonce,
        silence=operation.silence,
        grace=operation.grace,
        id=operation.id,
        folder=operation.folder,
        origin=origin(operation.who, operation.id),
        doing=quoted(operation.doing),
    )


_OWN_HOME = sh("home() {{ :; }}")
_ROOTS_HOME = sh(
    """\
home() {{
  [ -d "$HOME" ] || {{ (umask 022; mkdir -p "${{HOME%/*}}") && mkdir -m 700 "$HOME"; }} || [ -d "$HOME" ]
}}"""
)

_TAKE = sh(
    """\
say() {{ printf '%s %s\\n' "$N" "$*"; }}
b64() {{ base64 | tr -d '\\n'; }}
refuse() {{ say refused "=$(printf %s "$1" | b64)"; exit 1; }}
command -v base64 >/dev/null || {{ say lacks base64; exit 1; }}
for t in flock setsid; do command -v "$t" >/dev/null || {{ say lacks "$t"; exit 1; }}; done
why=$(home 2>&1) || refuse "$why"
cd || refuse 'the account has no home folder'
tries=0
while :; do
  why=$( {{ mkdir -p "$d/staging" "$d/log" && chmod 700 .crmhost "$d" && : >>"$d/lock"; }} 2>&1 ) || refuse "$why"
  exec 9>>"$d/lock"
  {flocked}
  [ -e "/proc/$$/fd/9" ] && ! [ "$d/lock" -ef "/proc/$$/fd/9" ] || break
  tries=$((tries + 1)); [ "$tries" -lt 5 ] || refuse 'the lock file is removed again and again'
done
prepare() {{
  rm -rf "$d/staging" "$d/job" && mkdir "$d/staging" "$d/staging/$o" || return 1
  printf '{{"since":"%s",%s,"doing":%s}}\\n' "$(now)" "$origin" "$doing" | cat >"$d/holder" || return 1
  rm -f "$d/step"
  {rotate}
  ls -t "$d/log" | grep -e '^[0-9a-f]*-[0-9]*[.]log$' | tail -n +{kept} | while IFS= read -r f; do
    rm -f "$d/log/$f"
  done
  :
}}
why=$(prepare 2>&1) || refuse "$why"
""",
    flocked=flocked(9, 1, sh('say held "=$(b64 2>/dev/null <"$d/holder")" "=$(b64 2>/dev/null <"$d/step")"; exit 0')),
    rotate=ROTATE,
    kept=LOGS_KEPT,
)

_GROUP = sh(
    """\
alive() {{ kill -0 "$1" 2>/dev/null; }}
end_group() {{
  kill -TERM "-$1" 2>/dev/null || return 0
  e=0
  while [ "$e" -lt "$((G * 5))" ]; do
    jobs >/dev/null 2>&1; alive "-$1" || return 0
    sleep 0.2 2>/dev/null || sleep 1
    e=$((e + 1))
  done
  kill -KILL "-$1" 2>/dev/null || true
}}
watch() {{
  left=$S; trap 'left=$S' USR1
  while [ "$left" -gt 0 ] && alive "$$"; do sleep 1; left=$((left - 1)); done
  kill -KILL "$$" 2>/dev/null
  read -r pid mode <"$d/job" && [ "$mode" = safe ] && end_group "$pid"
  exit 0
}}
L=; J=-; M=
check() {{
  [ -n "$L" ] || return 0
  jobs >/dev/null 2>&1
  if alive "$L"; then return 0; fi
  if alive "-$L"; then
    if [ "$M" = unsafe ]; then return 0; fi
    end_group "$L"
  fi
  L=; J=-; rm -f "$d/job"
}}
finish() {{
  check
  if [ -z "$L" ]; then return 0; fi
  if [ "$M" = safe ]; then end_group "$L"; fi
  while [ -n "$L" ]; do sleep 0.2; check; done
}}"""
)

_LOOP = sh(
    """\
watch </dev/null >/dev/null 2>&1 9>&- &
W=$!
say locked "=$(printf %s "$PWD/$d/staging/$o" | b64)"
while IFS=' ' read -r verb a b c e; do
  jobs >/dev/null 2>&1
  if ! kill -USR1 "$W" 2>/dev/null; then watch </dev/null >/dev/null 2>&1 9>&- & W=$!; fi
  check
  case $verb in
    beat) say beat "$J" ;;
    step) printf '{{"since":"%s","step":%s}}\\n' "$(now)" "$(printf %s "$a" | base64 -d)" >"$d/step" ;;
    journal)
      phase=$(printf %s "$b" | base64 -d)
      journal "$(entry "$a" "$(printf %s "$c" | base64 -d)")" || say full "=$(journal_why | b64)" ;;
    run)
      J=$a; M=$b; say started "$J"
      {{ printf '%s\\n' "$c"; printf %s "$e" | base64 -d; }} | setsid {boot} "$$" &
      L=$! ;;
    stop) if [ "$M" = safe ]; then finish; fi; say beat "$J" ;;
    bye) break ;;
  esac
done
finish
rm -rf "$d/staging/$o"; rm -f "$d/holder" "$d/step"
kill "$W" 2>/dev/null
exit 0""",
    boot=BOOT,
)


def _job(operation: Operation, job: int, phase: str, name: str, *, safe: bool) -> Sh:
    """Return the beginning of every job: it registers itself, and goes no further when its keeper is gone already."""
    return lines(
        _variables(operation),
        FUNCTIONS,
        sh(
            """\
keeper=$1; job={job}; mode={mode}; phase={phase}
cd || exit 70
staging="$PWD/$d/staging/$o"
tell() {{ (printf '%s %s\\n' "$N" "$*") 2>/dev/null; }}
b64() {{ base64 | tr -d '\\n'; }}
leave() {{ rm -f "$d/job" "$d/step"; tell exit "$job" "$1" "$2"; exit "$1"; }}
full() {{ tell full "=$(printf %s "$1" | b64)"; leave 74; }}
why=$( {{ printf '%s %s\\n' "$$" "$mode" | cat >"$d/job"; }} 2>&1 ) || full "$why"
kill -0 "$keeper" 2>/dev/null || exit 75
printf '{{"since":"%s","step":%s}}\\n' "$(now)" {name} >"$d/step"
note() {{
  if [ "$1" = begin ]; then kill -0 "$keeper" 2>/dev/null || exit 75; fi
  line=$(entry "$@")
  journal "$line" 2>/dev/null || [ "$mode" = unsafe ] || full "$(journal_why)"
  tell note "$line"
}}
failed() {{
  note failed "$1" "$2"
  leave "$2" "$(tail -c {tail} "$staging/.out" | b64)"
}}""",
            job=job,
            mode="safe" if safe else "unsafe",
            phase=quoted(phase),
            name=quoted(name),
            tail=TAIL,
        ),
    )
