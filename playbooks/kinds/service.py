"""Services of the distribution: they run, and start with the host. Their files are the packages' own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import systemd
from playbooks.kinds.systemd import StateSeen
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(@[A-Za-z0-9_.-]+)?")
_START = 120  # seconds


@dataclass(frozen=True, slots=True)
class ServiceWanted:
    """It runs, and starts with the host."""


@dataclass(frozen=True, slots=True)
class ServiceKind:
    """Keys are names without `.service`, such as `nginx` or `postgresql@15-main`. Not wanted: stopped and disabled."""

    name: str = "service"
    account: Account = "root"

    def ask(self, wants: Mapping[str, ServiceWanted | None]) -> Sh:
        """Print a row KEY LOAD ACTIVE SUB FILE RELOAD for each."""
        units = [_unit(key) for key in wants]
        return systemd.ask(units, sh('row "${{p%.service}}" "$l" "$a" "$s" "$f" "$v"'))

    def read(self, rows: Sequence[Row]) -> Mapping[str, StateSeen]:
        """Return what systemd knows of each; raises HostError for a row of another shape."""
        return {row[0]: systemd.seen(self.name, row[1:]) for row in rows}

    def diff(self, key: str, want: ServiceWanted | None, seen: StateSeen | None) -> Change | None:
        """Return what would change."""
        unit, there = _unit(key), seen or StateSeen()
        name = f"{self.name}:{unit.removesuffix('.service')}"
        if want is None:
            if there.up:
                return Change(name, "stop", "it is not wanted", disrupts="outage")
            return Change(name, "update", "it is not wanted at the next boot") if there.file == "enabled" else None
        if there.load == "not-found":
            return Change(name, "start", "it is not installed yet")
        if there.load == "masked":
            return Change(name, "start", "it is masked", ("- masked",))
        if not there.up:
            return Change(name, "start", safe_line(there.down))
        return None if there.at_boot else Change(name, "update", "it does not start with the host")

    def act(self, key: str, want: ServiceWanted | None, seen: StateSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Enable and start it, or stop and disable it; one that does not start shows the end of its journal."""
        unit = _unit(key)
        if want is None:
            return Act(sh("systemctl disable --quiet --now -- {unit}", unit=unit))
        return Act(
            sh(
                """\
systemctl daemon-reload
systemctl unmask --quiet -- {unit}
case $(systemctl is-enabled -- {unit} 2>/dev/null) in
  disabled|'') systemctl enable --quiet -- {unit} ;;
esac
{started}""",
                unit=unit,
                started=systemd.started(sh("start"), unit, _START),
            )
        )


def _unit(key: str) -> str:
    if not _NAME.fullmatch(key) or key.endswith(".service"):
        raise ValueError(f"service:{safe_line(key)}: a name has letters, digits, _, - and ., and no `.service`")
    return f"{key}.service"
