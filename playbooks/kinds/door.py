"""Small files in places of the host's, such as its document root, that lead its web server to what serves.

Unlike a `file`, a door is never put over what somebody else wrote: ours carry a mark in one of their first lines.
Their content is public.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Put, Row
from playbooks.kinds import places
from playbooks.paths import parent, staged
from playbooks.shell import Sh, lines, sh

MARK = "Written by crmhost"
FOREIGN = "somebody else's file is in its place; move it away"


@dataclass(frozen=True, slots=True)
class DoorWanted:
    """A text, which has the mark, and a mode. yields: whatever is there may be replaced, since nobody keeps it."""

    text: str
    mode: int
    yields: bool = False

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class DoorSeen:
    """What lies at the path. ours: it is a file with the mark; digest and mode: of a file."""

    there: bool
    ours: bool = False
    digest: str = ""
    mode: int = 0

    @property
    def foreign(self) -> bool:
        """Tell whether something is there that we did not write."""
        return self.there and not self.ours


@dataclass(frozen=True, slots=True)
class DoorKind:
    """Keys are paths. Not wanted: the file goes where it is ours, with the folder `tmp` that is empty then."""

    name: str = "door"
    account: Account = "login"

    def ask(self, wants: Mapping[str, DoorWanted | None]) -> Sh:
        """Print a row KEY absent, KEY other or KEY file MODE DIGEST ours|foreign for each."""
        return sh(
            """\
for p in {keys}; do
  if [ -f "$p" ] && [ ! -L "$p" ] && [ -r "$p" ]; then
    o=foreign; h=$(sha256sum <"$p")
    if head -n 3 -- "$p" | grep -qF {mark}; then o=ours; fi
    row "$p" file "$(stat -c %a -- "$p")" "${{h%% *}}" "$o"
  elif [ -e "$p" ] || [ -L "$p" ]; then row "$p" other; else row "$p" absent; fi
done""",
            keys=tuple(wants),
            mark=MARK,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, DoorSeen]:
        """Return what lies at each path; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> DoorSeen:
        match row[1:]:
            case ("absent",):
                return DoorSeen(there=False)
            case ("other",):
                return DoorSeen(there=True)
            case ("file", mode, digest, "ours" | "foreign" as whose) if mode.isdigit() and not set(mode) & {"8", "9"}:
                return DoorSeen(there=True, ours=whose == "ours", digest=digest, mode=int(mode, 8))
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: DoorWanted | None, seen: DoorSeen | None) -> Change | None:
        """Return what would change."""
        name, found = f"{self.name}:{key}", seen or DoorSeen(there=False)
        if want is None:
            return Change(name, "delete", "it is not wanted") if found.ours else None
        if not found.there:
            return Change(name, "create", "it is not there")
        if found.foreign and not want.yields:
            return Change(name, "replace", FOREIGN)
        if found.digest != want.digest:
            return Change(name, "update", "its content differs")
        if found.mode != want.mode:
            return Change(name, "update", "its mode differs", (f"mode {found.mode:04o} -> {want.mode:04o}",))
        return None

    def act(self, key: str, want: DoorWanted | None, seen: DoorSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Replace our own file by a rename; anything else is left, and the act fails."""
        if want is None:
            return Act(_remove(key), guard=sh("[ ! -e {key} ] && [ ! -L {key} ]", key=key))
        others = sh(
            """\
if [ -L {key} ] || [ -e {key} ] && ! head -n 3 -- {key} 2>/dev/null | grep -qF {mark}; then
  echo {foreign}; exit 1
fi""",
            key=key,
            mark=MARK,
            foreign=FOREIGN,
        )
        move = sh(
            """\
{others}
if [ -d {key} ]; then echo 'there is a folder in its place; move it away'; exit 1; fi
[ -d {parent} ] || mkdir -m 755 -- {parent}
chmod {mode} "$staging"/{name}
mv -fT -- "$staging"/{name} {key}""",
            others=sh(":") if want.yields else others,
            key=key,
            parent=parent(key),
            mode=f"{want.mode:o}",
            name=staged(key),
        )
        guard = sh(
            """\
[ ! -L {key} ] && [ -f {key} ] && [ "$(stat -c %a -- {key})" = {mode} ] &&
h=$(sha256sum <{key}) && [ "${{h%% *}}" = {digest} ]""",
            key=key,
            mode=f"{want.mode:o}",
            digest=want.digest,
        )
        return Act(move, (Put(staged(key), want.text.encode()),), guard)


def _remove(key: str) -> Sh:
    """Return shell that removes a door, and beside it what its use left: compiled text, an empty folder `tmp`."""
    remove = sh("rm -f -- {key}", key=key)
    folder, name = posixpath.split(key)
    if name.endswith(".py"):
        cache = posixpath.join(folder, "__pycache__")
        compiled = sh(
            "rm -f -- {cache}/{stem}.*.pyc\nrmdir -- {cache} 2>/dev/null || true",
            cache=cache if folder else f"./{cache}",
            stem=name.removesuffix(".py"),
        )
        return lines(remove, compiled)
    if posixpath.basename(folder) == "tmp":
        return lines(remove, sh("rmdir -- {parent} 2>/dev/null || true", parent=parent(key)))
    return remove
