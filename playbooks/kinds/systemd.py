"""Asking systemd about units, and starting them so that one knows whether they run: what units and services share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playbooks.kind import Row
from playbooks.kinds import places
from playbooks.shell import Sh, sh

LINES = 20  # of the journal, that are shown of a unit which does not start
_UP = frozenset({"active", "reloading"})
_AT_BOOT = frozenset({"enabled", "enabled-runtime", "static", "indirect", "alias", "generated", "linked"})


@dataclass(frozen=True, slots=True)
class StateSeen:
    """What systemd knows of a unit, in its own words: `show`'s LoadState, ActiveState, SubState and UnitFileState.

    stale: its file was changed after systemd had read it.
    """

    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    file: str = ""
    stale: bool = False

    @property
    def up(self) -> bool:
        """Tell whether it runs."""
        return self.active in _UP

    @property
    def kept_up(self) -> bool:
        """Tell whether it runs, or is about to: one that ends as soon as it is started is now this and now that."""
        return self.up or self.sub.startswith("auto-restart")

    @property
    def at_boot(self) -> bool:
        """Tell whether it starts with the host, as far as that is in systemd's hands."""
        return self.file in _AT_BOOT

    @property
    def down(self) -> str:
        """Return the sentence for one that should run."""
        return f"it is {self.active} ({self.sub})" if self.active != "inactive" else "it is down"


def ask(units: Sequence[str], answer: Sh) -> Sh:
    """Return a fragment that asks systemd once, and calls `answer` for each unit in their order.

    It finds the unit in "$p" and what systemd said in "$l", "$a", "$s", "$f" and "$v". A host without systemd knows no
    unit.
    """
    return sh(
        """\
t=$(systemctl show -p LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload -- {units} 2>/dev/null; echo .)
set -- {units}
l=; a=; s=; f=; v=
answer() {{
{answer}
}}
while [ "$#" -gt 0 ] && IFS= read -r line; do
  case $line in
    LoadState=*) l=${{line#*=}} ;;
    ActiveState=*) a=${{line#*=}} ;;
    SubState=*) s=${{line#*=}} ;;
    UnitFileState=*) f=${{line#*=}} ;;
    NeedDaemonReload=*) v=${{line#*=}} ;;
    ''|.) [ -n "$l" ] || break; p=$1; shift; answer; l=; a=; s=; f=; v= ;;
  esac
done <<answer
$t
answer
for p do l=not-found; a=inactive; s=dead; answer; done""",
        units=tuple(units),
        answer=answer,
    )


def seen(kind: str, row: Row) -> StateSeen:
    """Return what the fields of a row LOAD ACTIVE SUB FILE RELOAD say; raises HostError for others."""
    match row:
        case (load, active, sub, file, "yes" | "no" | "" as stale) if load and active:
            return StateSeen(load, active, sub, file, stale == "yes")
        case _:
            raise places.malformed(kind, row)


def started(verb: Sh, unit: str, seconds: int) -> Sh:
    """Return shell that starts, restarts or reloads a unit and waits until it is active and stays so for a moment.

    The moment is for programs that are active as soon as they are run. Others (`Type=forking`, `notify`, …) said
    themselves that they have begun, and a timer has nothing to begin. It fails with the end of the unit's journal when
    that is not so within the seconds.
    """
    return sh(
        """\
failed() {{
  echo "it does not run: $(systemctl show -p ActiveState,SubState,Result -- {unit} | tr '\\n' ' ')"
  echo 'the end of its journal:'
  journalctl -u {unit} -n {lines} --no-pager -o cat 2>&1 || true
  exit 1
}}
systemctl reset-failed -- {unit} 2>/dev/null || true
timeout {seconds} systemctl {verb} -- {unit} || failed
need=1; n=0; steady=0
case $(systemctl show -p Type --value -- {unit}) in simple|exec|idle) need=3 ;; esac
while :; do
  case $(systemctl show -p ActiveState --value -- {unit}) in
    active) steady=$((steady + 1)) ;;
    activating|reloading) steady=0 ;;
    *) failed ;;
  esac
  [ "$steady" -lt "$need" ] || break
  n=$((n + 1)); [ "$n" -lt {tries} ] || failed
  sleep 0.2
done""",
        unit=unit,
        verb=verb,
        seconds=seconds,
        tries=seconds * 5,
        lines=LINES,
    )
