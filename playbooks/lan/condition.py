"""The condition of a server before anything is put there: one fragment of shell that only looks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playbooks.kind import Account, Row
from playbooks.kinds import postgres
from playbooks.lan.layout import BASE
from playbooks.looking import KIB, Looks, condition, free
from playbooks.shell import Sh, sh

_PROGRAM = re.compile(r'"([^"]*)"')
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock")


@dataclass(frozen=True, slots=True)
class ServerWanted:
    """What is asked about: the ports that the contract's site needs."""

    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ServerCondition:
    """What the server said. Bytes; None: it could not say.

    clock: its time in seconds since 1970. release: (id, version, name) of os-release. systemd: its version, where it is
    the server's init. disk, files: what is free where customers' data will lie. ports: the programs that listen at
    each, `?` where the account may not know. packaging: the programs that hold a lock of apt or dpkg, with their ids.
    connections: of PostgreSQL, (taken now, at most), where it runs and the account may ask.
    """

    clock: int
    release: tuple[str, str, str]
    systemd: int | None = None
    disk: int | None = None
    files: int | None = None
    memory: int | None = None
    ports: Mapping[int, tuple[str, ...]] | None = None
    packaging: tuple[str, ...] = ()
    connections: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ServerKind(Looks):
    """The key is the contract. Nothing is ever made here; `crmhost doctor` judges what is seen.

    As another account than root it is answered too, without the names of others' programs.
    """

    name: str = "condition"
    account: Account = "login"

    def ask(self, wants: Mapping[str, ServerWanted]) -> Sh:
        """Print rows KEY WHAT VALUE…, for one contract."""
        ((key, want),) = wants.items()
        return sh(
            """\
row {key} clock "$(date +%s)"
row {key} release "$(. /etc/os-release 2>/dev/null; printf '%s|%s|%s' "$ID" "$VERSION_ID" "$PRETTY_NAME")"
if [ -d /run/systemd/system ]; then row {key} systemd "$(systemctl --version 2>/dev/null | head -n 1)"; fi
p={base}
while ! [ -d "$p" ]; do p=${{p%/*}}; p=${{p:-/}}; done
row {key} disk "$(df -Pk "$p" 2>/dev/null | tail -n 1)"
row {key} files "$(df -Pi "$p" 2>/dev/null | tail -n 1)"
if [ -r /proc/meminfo ]; then
  while read -r k v u; do case $k in MemAvailable:) row {key} memory "$v" ;; esac; done </proc/meminfo
fi
if command -v ss >/dev/null 2>&1; then
  row {key} shows-ports
  for p in {ports}; do
    l=$(ss -Hltnp "sport = :$p" 2>/dev/null | head -n 20)
    if [ -n "$l" ]; then row {key} port "$p" "$l"; fi
  done
fi
for o in {locks}; do
  i=$(stat -c %i "$o" 2>/dev/null) || continue
  while read -r number sort advisory mode q d rest; do
    [ "${{d##*:}}" = "$i" ] && [ "$sort" = POSIX ] && [ -d "/proc/$q" ] || continue
    if [ -r "/proc/$q/fd" ]; then ls -l "/proc/$q/fd" 2>/dev/null | grep -q -F -e "-> $o" || continue; fi
    row {key} packaging "$(cat "/proc/$q/comm" 2>/dev/null) $q"
  done </proc/locks
done
if command -v psql >/dev/null 2>&1 && t=$({connections} 2>/dev/null) && [ -n "$t" ]; then
  row {key} connections "${{t%%|*}}" "${{t#*|}}"
fi""",
            key=key,
            base=BASE,
            ports=[str(port) for port in want.ports],
            locks=LOCKS,
            connections=postgres.run("select count(*), current_setting('max_connections') from pg_stat_activity"),
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, ServerCondition]:
        """Return the condition; raises HostError for rows that the fragment cannot have meant."""
        return condition(self.name, rows, _condition)


def _condition(said: Mapping[str, Sequence[tuple[str, ...]]]) -> ServerCondition:
    name, version, title = said["release"][0][0].split("|", 2)
    memory, systemd = said.get("memory", ()), said.get("systemd", ())
    return ServerCondition(
        clock=int(said["clock"][0][0]),
        release=(name, version, title),
        systemd=int(systemd[0][0].split()[1]) if systemd else None,
        disk=free(said["disk"][0][0], KIB),
        files=free(said["files"][0][0], 1),
        memory=int(memory[0][0]) * KIB if memory else None,
        ports={int(port): _programs(lines) for port, lines in said.get("port", ())} if "shows-ports" in said else None,
        packaging=tuple(dict.fromkeys(who for (who,) in said.get("packaging", ()))),
        connections=next(((int(taken), int(most)) for taken, most in said.get("connections", ())), None),
    )


def _programs(lines: str) -> tuple[str, ...]:
    """Return the names of the programs in what `ss` printed; it leaves out those that only root may know."""
    return tuple(sorted(set(_PROGRAM.findall(lines)))) or ("?",)
