"""Accounts of the system: each with a group of its own name, without a password and without a shell.

The comment field says which are crmhost's; another account of the same name is never changed and never removed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

MARK = "crmhost"
SHELL = "/usr/sbin/nologin"
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")


@dataclass(frozen=True, slots=True)
class AccountWanted:
    """An account with this home folder, which is a resource of its own, and these groups beside its own."""

    home: str
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what the system cannot have; raises ValueError."""
        if not self.home.startswith("/") or set(self.home) & set(":\n\0"):
            raise ValueError(f"{self.home!r}: a home folder is an absolute path without a colon or a newline")
        for group in self.groups:
            checked(group)

    @property
    def others(self) -> tuple[str, ...]:
        """Return its groups in the order in which they are compared."""
        return tuple(sorted(set(self.groups)))


@dataclass(frozen=True, slots=True)
class AccountSeen:
    """What the system knows. ours: crmhost made it; group: its first group; others: the groups beside it, sorted.

    locked: no password lets anybody in.
    """

    there: bool
    ours: bool = False
    home: str = ""
    shell: str = ""
    group: str = ""
    locked: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountKind:
    """Keys are names. Not wanted: the account and its group go, and no file does."""

    name: str = "account"
    account: Account = "root"

    def ask(self, wants: Mapping[str, AccountWanted | None]) -> Sh:
        """Print a row KEY absent or KEY there MARK HOME SHELL GROUP locked|open OTHERS for each."""
        return sh(
            """\
for p in {keys}; do
  if ! t=$(getent passwd "$p"); then row "$p" absent; continue; fi
  IFS=: read -r a b c d m h s <<answer
$t
answer
  case $(getent shadow "$p") in "$p:!"*|"$p:*"*) k=locked ;; *) k=open ;; esac
  row "$p" there "$m" "$h" "$s" "$(id -gn -- "$p")" "$k" "$(id -Gn -- "$p")"
done""",
            keys=tuple(checked(key) for key in wants),
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, AccountSeen]:
        """Return what the system knows of each; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> AccountSeen:
        match row[1:]:
            case ("absent",):
                return AccountSeen(there=False)
            case ("there", mark, home, shell, group, "locked" | "open" as access, groups):
                others = tuple(sorted(set(groups.split()) - {group}))
                return AccountSeen(
                    there=True,
                    ours=mark == MARK,
                    home=home,
                    shell=shell,
                    group=group,
                    locked=access == "locked",
                    others=others,
                )
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: AccountWanted | None, seen: AccountSeen | None) -> Change | None:
        """Return what would change; an account that is not crmhost's is in the way, or not its business."""
        name, there = f"{self.name}:{checked(key)}", seen or AccountSeen(there=False)
        if want is None:
            return Change(name, "delete", "it is not wanted") if there.ours else None
        if not there.there:
            groups = f", also in {', '.join(want.others)}" if want.others else ""
            return Change(name, "create", "it is not there", (f"+ home {want.home}{groups}",))
        if not there.ours:
            return Change(name, "replace", "there is an account of this name that crmhost did not make")
        pairs = (
            ("home", there.home, want.home),
            ("shell", there.shell, SHELL),
            ("group", there.group, key),
            ("other groups", ", ".join(there.others) or "none", ", ".join(want.others) or "none"),
        )
        lines = [f"{what} {safe_line(old)} -> {new}" for what, old, new in pairs if old != new]
        if not there.locked:
            lines.append("- it can be logged in to with a password, or without one")
        return Change(name, "update", "it differs", tuple(lines)) if lines else None

    def act(self, key: str, want: AccountWanted | None, seen: AccountSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Make the account, or mend it; what still runs as one that is not wanted is left, and the act fails."""
        if want is None:
            return Act(
                sh(_REMOVE, key=checked(key), mark=MARK),
                guard=sh("! getent passwd {key} && ! getent group {key}", key=key),
            )
        return Act(
            sh(
                _MAKE,
                key=checked(key),
                mark=MARK,
                home=want.home,
                shell=SHELL,
                groups=",".join(want.others),
            )
        )


def checked(name: str) -> str:
    """Return the name of an account or group; raises ValueError for what the system cannot have."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"account:{safe_line(name)}: a name has 1 to 31 small letters, digits, _ and -, and no digit or - first"
        )
    return name


_MAKE = """\
getent group {key} >/dev/null || groupadd --system {key}
if t=$(getent passwd {key}); then
  t=${{t#*:*:*:*:}}
  if [ "${{t%%:*}}" != {mark} ]; then
    echo 'there is an account of this name that crmhost did not make; rename it, or the contract'; exit 1
  fi
  usermod --gid {key} --home {home} --shell {shell} --groups {groups} {key}
else
  useradd --system --gid {key} --home-dir {home} --no-create-home --shell {shell} --comment {mark} \\
    --groups {groups} {key}
fi
usermod --lock {key}"""

_REMOVE = """\
if t=$(getent passwd {key}); then
  t=${{t#*:*:*:*:}}
  [ "${{t%%:*}}" = {mark} ] || exit 0
  userdel {key}
fi
if getent group {key} >/dev/null; then groupdel {key}; fi"""
