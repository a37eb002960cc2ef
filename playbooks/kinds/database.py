"""SQLite databases: the file exists and only its account may read it. What is in it is the recipe's steps' work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.kinds.places import PlaceSeen
from playbooks.shell import Sh, sh


@dataclass(frozen=True, slots=True)
class DatabaseWanted:
    """A database file with this mode; SQLite gives its companions the same."""

    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """Keys are paths. Not wanted: the database goes, with its companions; that loses data."""

    name: str = "database"
    account: Account = "login"

    def ask(self, wants: Mapping[str, DatabaseWanted | None]) -> Sh:
        """Print a row KEY SORT MODE for each."""
        return places.ask(tuple(wants))

    def read(self, rows: Sequence[Row]) -> Mapping[str, PlaceSeen]:
        """Return what lies at each path."""
        return places.read(self.name, rows)

    def diff(self, key: str, want: DatabaseWanted | None, seen: PlaceSeen | None) -> Change | None:
        """Return what would change."""
        name, there = f"{self.name}:{key}", seen or PlaceSeen("absent")
        if want is None:
            gone = there.sort == "absent"
            return None if gone else Change(name, "delete", "it is not wanted", disrupts="data")
        if there.sort == "absent":
            return Change(name, "create", "it is not there", (f"+ empty, mode {want.mode:04o}",))
        if there.sort != "file":
            return Change(name, "create", there.in_the_way)
        if there.mode != want.mode:
            return Change(name, "update", "its mode differs", (f"mode {there.mode:04o} -> {want.mode:04o}",))
        return None

    def act(self, key: str, want: DatabaseWanted | None, seen: PlaceSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Make an empty file, never touching what is in one; what is not a file is left, and the act fails."""
        if want is None:
            files = (key, f"{key}-wal", f"{key}-shm", f"{key}-journal")
            return Act(sh("rm -f -- {files}", files=files), guard=sh("[ ! -e {key} ]", key=key))
        mode = f"{want.mode:o}"
        return Act(
            sh(
                """\
if [ -L {key} ] || {{ [ -e {key} ] && [ ! -f {key} ]; }}; then
  echo 'there is something else in its place; move it away'; exit 1
fi
: >>{key}
chmod {mode} -- {key}""",
                key=key,
                mode=mode,
            ),
            guard=sh('[ ! -L {key} ] && [ -f {key} ] && [ "$(stat -c %a -- {key})" = {mode} ]', key=key, mode=mode),
        )
