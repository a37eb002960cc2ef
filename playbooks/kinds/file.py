"""Files: content, mode and owner. They are replaced as a whole, by a rename, and nobody else can read them before that.

The host answers with digests, not with content. That of a secret file is salted with this run's random salt, so that
what crosses the connection or lies in a script says nothing about the secret.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from crm.plan import Change
from playbooks.kind import Account, Act, Put, Row
from playbooks.kinds import places
from playbooks.kinds.places import Owner, PlaceSeen
from playbooks.paths import at, staged
from playbooks.shell import Sh, sh

UNREADABLE = "unreadable"
KEPT = 10  # older contents of one file in its `keep_aside`


@dataclass(frozen=True, slots=True)
class FileWanted:
    """A file's content and mode. secret: the content holds a secret; it is in no repr either way.

    owner, group: whose it is, empty where that does not matter. keep_aside: a folder into which another content that
    is found there is copied (mode 0600, the newest KEPT) before it is overwritten; empty: it is not kept. drawn: until
    it is deployed, every plan has another content, such as a certificate's, so none says how long it is.
    """

    content: bytes = field(repr=False)
    mode: int = 0o600
    secret: bool = False
    owner: str = ""
    group: str = ""
    keep_aside: str = ""
    drawn: bool = False

    def __post_init__(self) -> None:
        """Refuse an owner that cannot be one; raises ValueError."""
        _ = self.whose

    @property
    def whose(self) -> Owner:
        """Return whose it must be."""
        return Owner(self.owner, self.group)


@dataclass(frozen=True, slots=True)
class FileSeen:
    """What lies at a path. digest: SHA-256 in hex, salted for secret files; empty for what is not a file."""

    place: PlaceSeen
    digest: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FileKind:
    """Keys are paths. salt: fresh randomness of this run (`secrets.token_hex(16)`). Not wanted: the file goes."""

    salt: str = field(repr=False)
    name: str = field(default="file", init=False)
    account: Account = "login"

    def ask(self, wants: Mapping[str, FileWanted | None]) -> Sh:
        """Print a row KEY SORT MODE [USER GROUP] and a row KEY DIGEST for each.

        One `stat` for all, and one `sha256sum` for all public ones.
        """
        secret = tuple(key for key, want in wants.items() if want is not None and want.secret)
        public = tuple(key for key in wants if key not in secret)
        return sh(
            """\
{places}
set -- {public}
for p do
  shift
  if [ -L "$p" ] || [ ! -f "$p" ]; then row "$p" ''
  elif [ -r "$p" ]; then set -- "$@" "$p"; else row "$p" {unreadable}; fi
done
if [ "$#" -gt 0 ]; then
  s=$(sha256sum -- "$@")
  for p do h=${{s%%" "*}}; s=${{s#*"$nl"}}; row "$p" "${{h#[\\\\]}}"; done
fi
for p in {secret}; do
  if [ -L "$p" ] || [ ! -f "$p" ]; then row "$p" ''
  elif [ -r "$p" ]; then h=$({{ printf %s {salt}; cat -- "$p"; }} | sha256sum); row "$p" "${{h%% *}}"
  else row "$p" {unreadable}; fi
done""",
            places=places.ask(tuple(wants), owners=any(want is not None and want.whose for want in wants.values())),
            public=public,
            secret=secret,
            salt=self.salt,
            unreadable=UNREADABLE,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, FileSeen]:
        """Return what lies at each path; raises HostError for rows of another shape."""
        found = {row[0]: places.place(self.name, row) for row in rows if len(row) in {3, 5}}
        digests: dict[str, str] = {}
        for row in rows:
            if len(row) in {3, 5}:
                continue
            if len(row) != 2 or row[0] not in found or not _is_digest(row[1]):
                raise places.malformed(self.name, row)
            digests[row[0]] = row[1]
        return {key: FileSeen(place, digests.get(key, "")) for key, place in found.items()}

    def diff(self, key: str, want: FileWanted | None, seen: FileSeen | None) -> Change | None:
        """Return what would change; shows modes and owners, never content."""
        name, there = f"{self.name}:{key}", seen or FileSeen(PlaceSeen("absent"))
        if want is None:
            gone = there.place.sort == "absent"
            return None if gone else Change(name, "delete", "it is not wanted")
        if there.place.sort == "absent":
            whose = f", of {want.whose}" if want.whose else ""
            size = "" if want.drawn else f"{len(want.content)} bytes, "
            what = f"+ {size}mode {want.mode:04o}{whose}"
            return Change(name, "create", "it is not there", (what,))
        if there.place.sort != "file":
            return Change(name, "replace", there.place.in_the_way)
        moved = there.place.mode != want.mode
        modes = (f"mode {there.place.mode:04o} -> {want.mode:04o}",) if moved else ()
        owners = want.whose.differs(there.place.user, there.place.group)
        if there.digest != self.digest(want):
            return Change(name, "update", "its content differs", (*modes, *owners, *kept(want.keep_aside)))
        if moved:
            return Change(name, "update", "its mode differs", (*modes, *owners))
        return Change(name, "update", "its owner differs", owners) if owners else None

    def act(self, key: str, want: FileWanted | None, seen: FileSeen | None) -> Act:
        """Replace the file by a rename, or only set its mode; a folder in its place is left, and the act fails."""
        if want is None:
            return Act(sh("rm -f -- {key}", key=key), guard=sh("[ ! -e {key} ] && [ ! -L {key} ]", key=key))
        mode, guard = f"{want.mode:o}", self._guard(key, want)
        if not want.whose and seen is not None and seen.place.sort == "file" and seen.digest == self.digest(want):
            return Act(sh("chmod {mode} -- {key}", mode=mode, key=key), guard=guard)
        move = sh(
            """\
if [ -d {key} ] && [ ! -L {key} ]; then echo 'there is a folder in its place; move it away'; exit 1; fi
{before}chmod {mode} "$staging"/{name}
mv -fT -- "$staging"/{name} {key}""",
            key=key,
            mode=mode,
            name=staged(key),
            before=Sh("".join(f"{part.text}\n" for part in _before(key, want))),
        )
        return Act(move, (Put(staged(key), want.content),), guard)

    def digest(self, want: FileWanted) -> str:
        """Return what the host answers for a file of this content."""
        salt = self.salt.encode() if want.secret else b""
        return hashlib.sha256(salt + want.content).hexdigest()

    def _guard(self, key: str, want: FileWanted) -> Sh:
        return sh(
            """\
[ ! -L {key} ] && [ -f {key} ] && {owned} &&
h=$({{ printf %s {salt}; cat -- {key}; }} | sha256sum) && [ "${{h%% *}}" = {digest} ]""",
            key=key,
            owned=want.whose.is_at(key, want.mode),
            salt=self.salt if want.secret else "",
            digest=self.digest(want),
        )


def _before(key: str, want: FileWanted) -> Iterator[Sh]:
    """Yield what comes before the staged file gets its mode and moves into place."""
    if want.keep_aside:
        yield keep(key, want.keep_aside, staged(key))
    if want.whose:
        yield sh('set -- "$staging"/{name}\n{change}', name=staged(key), change=want.whose.change)


def kept(folder: str) -> tuple[str, ...]:
    """Return the line of a plan that says where another content goes; none where it is not kept."""
    return (f"the present content is kept in {folder}",) if folder else ()


def keep(key: str, folder: str, name: str, ours: str = "") -> Sh:
    """Return shell that copies a file's content aside, when it is another one than that of the staged file `name`.

    What was copied last is not copied again; of one file the newest KEPT contents stay. ours: the SHA-256 (hex) of what
    crmhost itself last wrote there, where that is known: it would push what people wrote out of the newest.
    """
    written = sh(' && [ "$(sha256sum <{file})" != {ours} ]', file=at(key), ours=f"{ours}  -") if ours else sh("")
    return sh(
        """\
if [ -f {key} ] && [ ! -L {key} ] && ! cmp -s -- {file} "$staging"/{name}{written}; then
  [ -d {folder} ] || mkdir -m 700 -- {folder}
  set -- {place}.*
  while [ "$#" -gt 1 ]; do shift; done
  if ! cmp -s -- "$1" {file}; then
    cat -- {file} >"$staging/.kept"
    sync "$staging/.kept" 2>/dev/null || sync
    mv -f -- "$staging/.kept" {place}."$(date -u +%Y%m%dT%H%M%S.%NZ)"
  fi
  set -- {place}.*
  while [ "$#" -gt {kept} ]; do rm -f -- "$1"; shift; done
fi""",
        key=key,
        file=at(key),
        name=name,
        written=written,
        folder=at(folder),
        place=posixpath.join(at(folder), _kept_as(key)),
        kept=KEPT,
    )


def _kept_as(key: str) -> str:
    """Return the name that a file's older contents begin with: its own, and what tells it from others of that name."""
    own = posixpath.basename(key).encode("utf-8", "surrogateescape")[:150]
    return f"{own.decode('utf-8', 'ignore')}-{staged(key)[:8]}"


def _is_digest(text: str) -> bool:
    return text in {"", UNREADABLE} or (len(text) == 64 and not set(text) - set("0123456789abcdef"))
