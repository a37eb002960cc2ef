"""Folders of files that were carried to a host from here, all or none: packages for a host that can fetch nothing.

The host hashes every file once, when it has arrived, and keeps beside the folder what that gave, with the size, the
number and the times of each file. Whether one was changed, added or lost since then is seen by these alone, so that
asking about hundreds of megabytes costs nothing.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from crm.errors import HostError
from crm.plan import Change
from playbooks.kind import Account, Act, Put, Row
from playbooks.kinds import places
from playbooks.paths import parent, staged
from playbooks.shell import Sh, lines, sh

Sort: TypeAlias = Literal["absent", "folder", "other"]
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+%~!-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Packed:
    """One file: its path below the folder, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ParcelWanted:
    """What the folder holds, and nothing else. source: the folder here that has these files, read when they are sent.

    Raises ValueError for a path that leaves the folder, or that a checksum's line could not name.
    """

    files: tuple[Packed, ...]
    source: Path = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse such paths."""
        for one in self.files:
            if not all(_PART.fullmatch(part) for part in one.path.split("/")) or not _DIGEST.fullmatch(one.sha256):
                raise ValueError(f"{one.path!r} cannot be part of a parcel")

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the lines that `sha256sum` prints for all files, sorted."""
        text = "".join(sorted(f"{one.sha256}  ./{one.path}\n" for one in self.files))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def size(self) -> int:
        """Return how many bytes are sent."""
        return sum(one.size for one in self.files)


@dataclass(frozen=True, slots=True)
class ParcelSeen:
    """What lies at the path. digest: as `ParcelWanted.digest`; empty for what was changed since it arrived."""

    sort: Sort
    digest: str = ""


SUMS = ".sums"
"""What the file beside the folder has at the end of its name."""
_SUM = sh("find . ! -type d -exec sha256sum -- {{}} + | LC_ALL=C sort | sha256sum | cut -c 1-64")
_SIGHT = sh("find . ! -type d -printf '%P %s %i %T@ %C@ %y\\n' | LC_ALL=C sort | sha256sum | cut -c 1-64")
"""What a file cannot be changed without; its last status change is set by no program."""


@dataclass(frozen=True, slots=True)
class ParcelKind:
    """Keys are absolute paths. Not wanted: the folder goes. Everybody may read it: it holds no secret."""

    name: str = "parcel"
    account: Account = "root"

    def ask(self, wants: Mapping[str, ParcelWanted | None]) -> Sh:
        """Print a row KEY SORT DIGEST for each."""
        return sh(
            """\
for p in {keys}; do
  d=
  if [ -L "$p" ]; then k=other
  elif [ -d "$p" ]; then
    k=folder; a=; b=
    if [ -f "$p"{sums} ]; then read -r a b <"$p"{sums}; fi
    if [ -n "$b" ] && [ "$b" = "$(cd -P -- "$p" && {sight})" ]; then d=$a; fi
  elif [ -e "$p" ]; then k=other; else k=absent; fi
  row "$p" "$k" "$d"
done""",
            keys=tuple(wants),
            sums=SUMS,
            sight=_SIGHT,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, ParcelSeen]:
        """Return what lies at each path; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> ParcelSeen:
        match row[1:]:
            case ("folder", digest) if not digest or _DIGEST.fullmatch(digest):
                return ParcelSeen("folder", digest)
            case ("absent", ""):
                return ParcelSeen("absent")
            case ("other", ""):
                return ParcelSeen("other")
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: ParcelWanted | None, seen: ParcelSeen | None) -> Change | None:
        """Return what would change."""
        name, there = f"{self.name}:{key}", seen or ParcelSeen("absent")
        if want is None:
            return None if there.sort == "absent" else Change(name, "delete", "it is not wanted")
        sent = (f"+ {len(want.files)} files, {want.size / 1e6:.1f} MB",)
        match there.sort:
            case "absent":
                return Change(name, "create", "it is not there", sent)
            case "other":
                return Change(name, "create", "there is something else in its place", sent)
        if there.digest == want.digest:
            return None
        return Change(name, "replace", "what is in it differs", sent)

    def act(self, key: str, want: ParcelWanted | None, seen: ParcelSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Send all files, and put the folder in the place of an older one once each is what it should be.

        Raises HostError where a file here is no longer what it was.
        """
        if want is None:
            gone = sh("rm -rf -- {key}{sums} {key} {key}.new", key=key, sums=SUMS)
            return Act(gone, guard=sh("[ ! -e {key} ] && [ ! -L {key} ]", key=key))
        folders = sorted({posixpath.dirname(one.path) for one in want.files if "/" in one.path})
        script = sh(
            """\
if [ -L {key} ] || {{ [ -e {key} ] && [ ! -d {key} ]; }}; then
  echo 'there is something else in its place; move it away'; exit 1
fi
rm -rf -- {key}{sums} {key}.new
umask 022
mkdir -p -- {parent} {folders}
{moves}
cd -P -- {key}.new
chmod -R a+rX .
if [ "$({sum})" != {digest} ]; then echo 'the files arrived changed'; exit 1; fi
sight=$({sight})
sync -f .
cd /
rm -rf -- {key}
mv -T -- {key}.new {key}
printf '%s %s\\n' {digest} "$sight" >"$staging"/{name}.sums
mv -f -- "$staging"/{name}.sums {key}{sums}""",
            key=key,
            parent=parent(key),
            folders=(f"{key}.new", *(f"{key}.new/{folder}" for folder in folders)),
            moves=lines(*(_move(key, one) for one in want.files)),
            sum=_SUM,
            sight=_SIGHT,
            sums=SUMS,
            name=staged(key),
            digest=want.digest,
        )
        guard = sh(
            """\
[ ! -L {key} ] && [ -f {key}{sums} ] && read -r a b <{key}{sums} && [ "$a" = {digest} ] && cd -P -- {key} &&
  [ "$b" = "$({sight})" ]""",
            key=key,
            sums=SUMS,
            sight=_SIGHT,
            digest=want.digest,
        )
        return Act(script, tuple(_put(key, one, want.source) for one in want.files), guard)


def _move(key: str, one: Packed) -> Sh:
    return sh('mv -- "$staging"/{name} {to}', name=staged(f"{key}/{one.path}"), to=f"{key}.new/{one.path}")


def _put(key: str, one: Packed, source: Path) -> Put:
    try:
        content = (source / one.path).read_bytes()
    except OSError as error:
        raise HostError(f"{source / one.path}: cannot be read: {error.strerror}") from error
    if len(content) != one.size or hashlib.sha256(content).hexdigest() != one.sha256:
        raise HostError(f"{source / one.path}: changed since it was looked at")
    return Put(staged(f"{key}/{one.path}"), content)
