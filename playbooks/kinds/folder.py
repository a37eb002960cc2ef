"""Folders: they exist, and only those may enter who should."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.kinds.places import Owner, PlaceSeen
from playbooks.paths import parent
from playbooks.shell import Sh, sh


@dataclass(frozen=True, slots=True)
class FolderWanted:
    """A folder with this mode; folders above it are other resources.

    linkable: a link to a folder that the account owns will do, as where a small home has its bulk on another disk.
    owner, group: whose it is, empty where that does not matter.
    """

    mode: int = 0o700
    linkable: bool = False
    owner: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        """Refuse an owner that cannot be one, and one for what may be a link; raises ValueError."""
        if self.whose and self.linkable:
            raise ValueError("a folder that may be a link has no owner of its own")

    @property
    def whose(self) -> Owner:
        """Return whose it must be."""
        return Owner(self.owner, self.group)


@dataclass(frozen=True, slots=True)
class FolderKind:
    """Keys are paths. Not wanted: the folder goes with everything in it."""

    name: str = "folder"
    account: Account = "login"

    def ask(self, wants: Mapping[str, FolderWanted | None]) -> Sh:
        """Print a row KEY SORT MODE [USER GROUP] for each."""
        return places.ask(tuple(wants), owners=any(want is not None and want.whose for want in wants.values()))

    def read(self, rows: Sequence[Row]) -> Mapping[str, PlaceSeen]:
        """Return what lies at each path."""
        return places.read(self.name, rows)

    def diff(self, key: str, want: FolderWanted | None, seen: PlaceSeen | None) -> Change | None:
        """Return what would change."""
        name, there = f"{self.name}:{key}", seen or PlaceSeen("absent")
        if want is None:
            gone = there.sort == "absent"
            return None if gone else Change(name, "delete", "it is not wanted", disrupts="data")
        if there.sort == "absent":
            whose = f", of {want.whose}" if want.whose else ""
            return Change(name, "create", "it is not there", (f"+ mode {want.mode:04o}{whose}",))
        if there.sort != "folder" and not (want.linkable and there.sort == "linked"):
            return Change(name, "create", there.in_the_way)
        owners = want.whose.differs(there.user, there.group)
        if there.mode != want.mode:
            modes = f"mode {there.mode:04o} -> {want.mode:04o}"
            return Change(name, "update", "its mode differs", (modes, *owners))
        return Change(name, "update", "its owner differs", owners) if owners else None

    def act(self, key: str, want: FolderWanted | None, seen: PlaceSeen | None) -> Act:
        """Make the folder, or remove it; what is not a folder is left, and the act fails."""
        if want is None:
            return Act(sh("rm -rf -- {key}", key=key), guard=sh("[ ! -e {key} ] && [ ! -L {key} ]", key=key))
        mode = f"{want.mode:o}"
        if want.linkable and seen is not None and seen.sort == "linked":
            return Act(
                sh("chmod {mode} -- {key}/.", key=key, mode=mode),
                guard=sh('[ -O {key}/. ] && [ "$(stat -c %a -- {key}/.)" = {mode} ]', key=key, mode=mode),
            )
        # The second look: another customer's deploy on this account may make it at the same moment.
        return Act(
            sh(
                """\
if [ -L {key} ] || {{ [ -e {key} ] && [ ! -d {key} ]; }}; then
  echo 'there is something else in its place; move it away'; exit 1
fi
[ -d {key} ] || mkdir -m 700 -- {key} || [ -d {key} ]
{give}""",
                key=key,
                give=_given(key, want) if want.whose else sh("chmod {mode} -- {key}", mode=mode, key=key),
            ),
            guard=sh("[ ! -L {key} ] && [ -d {key} ] && {owned}", key=key, owned=want.whose.is_at(key, want.mode)),
        )


def _given(key: str, want: FolderWanted) -> Sh:
    """Return shell that gives the folder away, and never another one: who owns what is above it may swap it for a link.

    From within, `.` stays the folder that was entered; its name is compared once it is.
    """
    return sh(
        """\
place=$(cd -P -- {parent} && pwd -P)
cd -P -- {key}
if [ "$(pwd -P)" != "${{place%/}}"/{last} ]; then echo 'it was swapped for a link'; exit 1; fi
set -- .
{change}
chmod {mode} .""",
        key=key,
        parent=parent(key),
        last=posixpath.basename(key.rstrip("/")),
        change=want.whose.change,
        mode=f"{want.mode:o}",
    )
