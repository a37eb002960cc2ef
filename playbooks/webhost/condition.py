"""The condition of an account on a host, before anything is put there: one fragment of shell that only looks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playbooks.kind import Account, Row
from playbooks.kinds.php import php_names
from playbooks.kinds.venv import python_names
from playbooks.looking import KIB, Looks, condition, free
from playbooks.shell import Sh, sh

_UNLIMITED = 1 << 60  # how an old kernel says that there is no limit
_QUOTA = re.compile(r"\s+(\d+)\*?\s+(\d+)\s+(\d+)\s+\d+\s+(\d+)\*?\s+(\d+)\s+(\d+)\s+\d+\s*")
_TELL = """\
import sys
lacks = []
for name in ("ensurepip", "venv", "_sqlite3", "_ssl"):
    try:
        __import__(name)
    except ImportError:
        lacks.append(name.lstrip("_"))
print("%d.%d.%d" % tuple(sys.version_info[:3]) + " " + ",".join(lacks))
"""
"""Runs under any Python that a host may have, the oldest too."""
_TELL_PHP = """\
echo PHP_VERSION, " ", ini_get("memory_limit"), " ", strtolower(implode(",", get_loaded_extensions()));"""


@dataclass(frozen=True, slots=True)
class ConditionWanted:
    """What is asked about: the allowed Pythons, newest first (`3.12`), and the port of the web process, 0 for none.

    served: the folder that the host serves as files; php: the allowed versions of PHP for programs, newest first;
    programs: sets of them, one of each of which has to be there. Each is empty where it does not matter.
    """

    minors: tuple[str, ...]
    port: int
    served: str = ""
    php: tuple[str, ...] = ()
    programs: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Python:
    """A Python on the host. lacks: those of ensurepip, venv, sqlite3 and ssl that it cannot import."""

    path: str
    version: str
    lacks: tuple[str, ...] = ()

    @property
    def minor(self) -> str:
        """Return `3.12` of `3.12.1`."""
        return self.version.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Php:
    """A PHP for programs on the host. memory: its memory_limit, as it writes it (`128M`, `-1`: none)."""

    path: str
    version: str
    memory: str
    extensions: frozenset[str]

    @property
    def minor(self) -> str:
        """Return `8.2` of `8.2.7`."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True, slots=True)
class Quota:
    """What may still be put on one file system: bytes and files; None: unlimited."""

    place: str
    bytes_left: int | None
    files_left: int | None


@dataclass(frozen=True, slots=True)
class Condition:
    """What the host said. Bytes; None: it could not say.

    clock: its time in seconds since 1970. listeners: the ids of the users whose processes listen at the port; None: it
    does not show them. uid: the account's own. locks: an flock works in the home folder. ours: the contract has a
    folder there. pythons: as far as they were looked at, the first that is allowed and whole is the last. phps: all.
    served: where the document root leads, None where it is not there; fills: it can be written to. lacks: the sets of
    programs of which none is there.
    """

    clock: int
    uid: int
    disk: int | None = None
    files: int | None = None
    quotas: tuple[Quota, ...] = ()
    memory: int | None = None
    memory_limit: int | None = None
    pythons: tuple[Python, ...] = ()
    listeners: tuple[int, ...] | None = None
    locks: bool = True
    writable: bool = True
    ours: bool = False
    phps: tuple[Php, ...] = ()
    served: str | None = None
    fills: bool = False
    lacks: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class ConditionKind(Looks):
    """The key is the contract. Nothing is ever made here; `crmhost doctor` judges what is seen."""

    name: str = "condition"
    account: Account = "login"

    def ask(self, wants: Mapping[str, ConditionWanted]) -> Sh:
        """Print rows KEY WHAT VALUE…, for one contract."""
        ((key, want),) = wants.items()
        return sh(
            """\
row {key} clock "$(date +%s)"
row {key} uid "$(id -u)"
row {key} disk "$(df -Pk . 2>/dev/null | tail -n 1)"
row {key} files "$(df -Pi . 2>/dev/null | tail -n 1)"
row {key} quota "$(quota -wp 2>/dev/null | head -c 4096)"
if [ -r /proc/meminfo ]; then
  while read -r k v u; do case $k in MemAvailable:) row {key} memory "$v" ;; esac; done </proc/meminfo
fi
g=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
for f in /sys/fs/cgroup/memory.max "/sys/fs/cgroup$g/memory.max" /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  if [ -r "$f" ]; then row {key} limit "$(cat "$f")"; fi
done
l=$(ulimit -v 2>/dev/null)
case $l in ''|*[!0-9]*) ;; *) row {key} limit "$((l * 1024))" ;; esac
if [ -r /proc/net/tcp ]; then
  row {key} shows-ports
  for f in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$f" ] || continue
    while read -r j a o s q t w i rest; do
      case $s$a in 0A*:{port}) row {key} listener "$i" ;; esac
    done <"$f"
  done
fi
if ( flock -n 9 ) 9<. 2>/dev/null; then row {key} locks; fi
if [ -w . ]; then row {key} writable; fi
if [ -d .crmhost/{key} ]; then row {key} ours; fi
for p in {names}; do
  c=$(command -v "$p" 2>/dev/null) || continue
  v=$("$c" -c {tell} 2>/dev/null) || continue
  row {key} python "$c" "$v"
  case " {minors} " in *" ${{v%.* *}} "*) case $v in *' ') break ;; esac ;; esac
done
for p in {phps}; do
  c=$(command -v "$p" 2>/dev/null) || continue
  v=$("$c" -r {tell_php} 2>/dev/null) || continue
  row {key} php "$c" "$v"
done
for g in {programs}; do
  f=
  for p in $g; do if command -v "$p" >/dev/null 2>&1; then f=yes; fi; done
  if [ -z "$f" ]; then row {key} lacks "$g"; fi
done
f={served}
if [ -n "$f" ] && [ -d "$f" ]; then row {key} served "$(cd -P "$f" && pwd -P)"; fi
if [ -n "$f" ] && [ -w "$f" ]; then row {key} fills; fi""",
            key=key,
            port=Sh(f"{want.port:04X}"),
            names=python_names(want.minors),
            minors=Sh(" ".join(want.minors)),
            tell=_TELL,
            phps=php_names(want.php) if want.php else (),
            tell_php=_TELL_PHP,
            served=want.served,
            programs=[" ".join(names) for names in want.programs],
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, Condition]:
        """Return the condition; raises HostError for rows that the fragment cannot have meant."""
        return condition(self.name, rows, _condition)


def _condition(said: Mapping[str, Sequence[tuple[str, ...]]]) -> Condition:
    limits = [int(value) for (value,) in said.get("limit", ()) if value.isdigit() and int(value) < _UNLIMITED]
    memory = said.get("memory", ())
    return Condition(
        clock=int(said["clock"][0][0]),
        uid=int(said["uid"][0][0]),
        disk=free(said["disk"][0][0], KIB),
        files=free(said["files"][0][0], 1),
        quotas=quotas(said["quota"][0][0]),
        memory=int(memory[0][0]) * KIB if memory else None,
        memory_limit=min(limits, default=None),
        pythons=tuple(_python(*row) for row in said.get("python", ())),
        listeners=tuple(int(uid) for (uid,) in said.get("listener", ())) if "shows-ports" in said else None,
        locks="locks" in said,
        writable="writable" in said,
        ours="ours" in said,
        phps=tuple({path: _php(path, told) for path, told in said.get("php", ())}.values()),
        served=said["served"][0][0] if "served" in said else None,
        fills="fills" in said,
        lacks=tuple(tuple(names.split()) for (names,) in said.get("lacks", ())),
    )


def quotas(text: str) -> tuple[Quota, ...]:
    """Return what `quota -wp` says of each file system; lines of another form say nothing."""
    found: list[Quota] = []
    for line in text.splitlines():
        place, _, rest = line.strip().partition(" ")
        numbers = _QUOTA.fullmatch(f" {rest}")
        if numbers is not None:
            used, soft, hard, files, soft_files, hard_files = map(int, numbers.groups())
            size = _left(used, soft, hard)
            found.append(
                Quota(place, None if size is None else size * KIB, _left(files, soft_files, hard_files)),
            )
    return tuple(found)


def _left(used: int, soft: int, hard: int) -> int | None:
    """Return what is left below the lower limit; zero means that there is none."""
    limits = [limit for limit in (soft, hard) if limit]
    return max(0, min(limits) - used) if limits else None


def _python(path: str, told: str) -> Python:
    version, _, lacks = told.partition(" ")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(told)
    return Python(path, version, tuple(lacks.split(",")) if lacks else ())


def _php(path: str, told: str) -> Php:
    version, memory, extensions = told.split(" ", 2)
    if not re.match(r"\d+\.\d+\.\d+", version):
        raise ValueError(told)
    return Php(path, version, memory, frozenset(extensions.split(",")))
