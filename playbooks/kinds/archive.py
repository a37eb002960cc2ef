"""Trees from archives, unpacked under the name of what is in them: shared by contracts, and never written to again.

An archive is brought to this machine only when it must be sent. What is unpacked is renamed into place as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from crm.plan import Change
from playbooks.kind import Account, Act, Put, Row
from playbooks.kinds import places
from playbooks.paths import parent, staged
from playbooks.shell import Sh, flocked, sh

MARKER = ".complete"
_PATIENCE = 600  # seconds that another contract's unpacking may take


@dataclass(frozen=True, slots=True)
class ArchiveWanted:
    """What is unpacked: the SHA-256 (hex) that its recipe names, which the marker holds."""

    sha256: str


@dataclass(frozen=True, slots=True)
class ArchiveSeen:
    """What lies at the path. sha256: of a whole tree, as its marker says."""

    there: bool
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ArchiveKind:
    """Keys are paths. fetch: gives a .tar.gz of the tree, which may take minutes. Not wanted: the tree goes."""

    fetch: Callable[[], bytes] = field(repr=False, compare=False)
    name: str = "archive"
    account: Account = "login"

    def ask(self, wants: Mapping[str, ArchiveWanted | None]) -> Sh:
        """Print a row KEY absent, KEY partial or KEY whole SHA256 for each."""
        return sh(
            """\
for p in {keys}; do
  a=
  if [ -f "$p"/{marker} ]; then read -r a <"$p"/{marker}; row "$p" whole "$a"
  elif [ -e "$p" ] || [ -L "$p" ]; then row "$p" partial; else row "$p" absent; fi
done""",
            keys=tuple(wants),
            marker=MARKER,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, ArchiveSeen]:
        """Return what lies at each path; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> ArchiveSeen:
        match row[1:]:
            case ("absent",):
                return ArchiveSeen(there=False)
            case ("partial",):
                return ArchiveSeen(there=True)
            case ("whole", sha256):
                return ArchiveSeen(there=True, sha256=sha256)
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: ArchiveWanted | None, seen: ArchiveSeen | None) -> Change | None:
        """Return what would change."""
        name, found = f"{self.name}:{key}", seen or ArchiveSeen(there=False)
        if want is None:
            return Change(name, "delete", "it is not wanted") if found.there else None
        if not found.there:
            return Change(name, "create", "it is not there")
        if not found.sha256:
            return Change(name, "replace", "its unpacking was interrupted")
        if found.sha256 != want.sha256:
            return Change(name, "replace", "it is not what its name says")
        return None

    def act(self, key: str, want: ArchiveWanted | None, seen: ArchiveSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Send the archive and unpack it beside its place; nobody but the account may read it, and it may not write."""
        if want is None:
            return Act(sh("rm -rf -- {key}", key=key), guard=sh("[ ! -e {key} ]", key=key))
        guard = sh('read -r a <{key}/{marker} && [ "$a" = {sha256} ]', key=key, marker=MARKER, sha256=want.sha256)
        unpack = sh(
            """\
exec 7>>{parent}/.lock
{flocked}
if {guard} 2>/dev/null; then exit 0; fi
rm -rf -- {key}.new
mkdir -m 700 -- {key}.new
tar -xzof "$staging"/{name} -C {key}.new
find {key}.new -type f -exec chmod 400 {{}} +
printf '%s\\n' {sha256} >{key}.new/{marker}
sync {key}.new/{marker} 2>/dev/null || sync
rm -rf -- {key}
mv -T -- {key}.new {key}""",
            parent=parent(key),
            flocked=flocked(7, _PATIENCE, sh("echo 'another contract unpacks beside it for too long'; exit 1")),
            guard=guard,
            key=key,
            name=staged(key),
            sha256=want.sha256,
            marker=MARKER,
        )
        return Act(unpack, (Put(staged(key), self.fetch()),), guard)
