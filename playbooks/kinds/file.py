"""Files: content and mode. They are replaced as a whole, by a rename, and nobody else can read them before that.

The host answers with digests, not with content. That of a secret file is salted with this run's random salt, so that
what crosses the connection or lies in a script says nothing about the secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crm.plan import Change
from playbooks.kind import Account, Act, Put, Row
from playbooks.kinds import places
from playbooks.kinds.places import PlaceSeen
from playbooks.paths import staged
from playbooks.shell import Sh, sh

UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class FileWanted:
    """A file's content and mode. secret: the content holds a secret; it is in no repr either way."""

    content: bytes = field(repr=False)
    mode: int = 0o600
    secret: bool = False


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
    account: Account = field(default="login", init=False)

    def ask(self, wants: Mapping[str, FileWanted | None]) -> Sh:
        """Print a row KEY SORT MODE and a row KEY DIGEST for each; one `stat` and one `sha256sum` for all public."""
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
            places=places.ask(tuple(wants)),
            public=public,
            secret=secret,
            salt=self.salt,
            unreadable=UNREADABLE,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, FileSeen]:
        """Return what lies at each path; raises HostError for rows of another shape."""
        found = {row[0]: places.place(self.name, row) for row in rows if len(row) == 3}
        digests: dict[str, str] = {}
        for row in rows:
            if len(row) == 3:
                continue
            if len(row) != 2 or row[0] not in found or not _is_digest(row[1]):
                raise places.malformed(self.name, row)
            digests[row[0]] = row[1]
        return {key: FileSeen(place, digests.get(key, "")) for key, place in found.items()}

    def diff(self, key: str, want: FileWanted | None, seen: FileSeen | None) -> Change | None:
        """Return what would change; shows modes, never content."""
        name, there = f"{self.name}:{key}", seen or FileSeen(PlaceSeen("absent"))
        if want is None:
            gone = there.place.sort == "absent"
            return None if gone else Change(name, "delete", "it is not wanted")
        if there.place.sort == "absent":
            return Change(name, "create", "it is not there", (f"+ {len(want.content)} bytes, mode {want.mode:04o}",))
        if there.place.sort != "file":
            return Change(name, "replace", there.place.in_the_way)
        moved = there.place.mode != want.mode
        modes = (f"mode {there.place.mode:04o} -> {want.mode:04o}",) if moved else ()
        if there.digest != self.digest(want):
            return Change(name, "update", "its content differs", modes)
        return Change(name, "update", "its mode differs", modes) if moved else None

    def act(self, key: str, want: FileWanted | None, seen: FileSeen | None) -> Act:
        """Replace the file by a rename, or only set its mode; a folder in its place is left, and the act fails."""
        if want is None:
            return Act(sh("rm -f -- {key}", key=key), guard=sh("[ ! -e {key} ] && [ ! -L {key} ]", key=key))
        mode, guard = f"{want.mode:o}", self._guard(key, want)
        if seen is not None and seen.place.sort == "file" and seen.digest == self.digest(want):
            return Act(sh("chmod {mode} -- {key}", mode=mode, key=key), guard=guard)
        move = sh(
            """\
if [ -d {key} ] && [ ! -L {key} ]; then echo 'there is a folder in its place; move it away'; exit 1; fi
chmod {mode} "$staging"/{name}
mv -fT -- "$staging"/{name} {key}""",
            key=key,
            mode=mode,
            name=staged(key),
        )
        return Act(move, (Put(staged(key), want.content),), guard)

    def digest(self, want: FileWanted) -> str:
        """Return what the host answers for a file of this content."""
        salt = self.salt.encode() if want.secret else b""
        return hashlib.sha256(salt + want.content).hexdigest()

    def _guard(self, key: str, want: FileWanted) -> Sh:
        return sh(
            """\
[ ! -L {key} ] && [ -f {key} ] && [ "$(stat -c %a -- {key})" = {mode} ] &&
h=$({{ printf %s {salt}; cat -- {key}; }} | sha256sum) && [ "${{h%% *}}" = {digest} ]""",
            key=key,
            mode=f"{want.mode:o}",
            salt=self.salt if want.secret else "",
            digest=self.digest(want),
        )


def _is_digest(text: str) -> bool:
    return text in {"", UNREADABLE} or (len(text) == 64 and not set(text) - set("0123456789abcdef"))
