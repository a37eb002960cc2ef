"""Folders: they exist, and only those may enter who should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.kinds.places import PlaceSeen
from playbooks.shell import Sh, sh


@dataclass(frozen=True, slots=True)
class FolderWanted:
    """A folder with this mode; folders above it are other resources.

    linkable: a link to a folder that the account owns will do, as where a small home has its bulk on another disk.
    """

    mode: int = 0o700
    linkable: bool = False


@dataclass(frozen=True, slots=True)
class FolderKind:
    """Keys are paths. Not wanted: the folder goes with everything in it."""

    name: str = "folder"
    account: Account = "login"

    def ask(self, wants: Mapping[str, FolderWanted | None]) -> Sh:
        """Print a row KEY SORT MODE for each."""
        return places.ask(tuple(wants))

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
            return Change(name, "create", "it is not there", (f"+ mode {want.mode:04o}",))
        if there.sort != "folder" and not (want.linkable and there.sort == "linked"):
            return Change(name, "create", there.in_the_way)
        if there.mode != want.mode:
            return Change(name, "update", "its mode differs", (f"mode {there.mode:04o} -> {want.mode:04o}",))
        return None

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
        return Act(
            sh(
                """\
if [ -L {key} ] || {{ [ -e {key} ] && [ ! -d {key} ]; }}; then
  echo 'there is something else in its place; move it away'; exit 1
fi
[ -d {key} ] || mkdir -m 700 -- {key}
chmod {mode} -- {key}""",
                key=key,
                mode=mode,
            ),
            guard=sh('[ ! -L {key} ] && [ -d {key} ] && [ "$(stat -c %a -- {key})" = {mode} ]', key=key, mode=mode),
        )
