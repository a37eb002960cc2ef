"""A release's own copy of an unpacked archive: files are hard links, so it costs folders and no more.

Applications look for their configuration beside their code, so each release has a tree in which its own files may
replace some. What the application writes to is a link to a folder that outlives the release.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.kinds.archive import MARKER
from playbooks.shell import Sh, lines, sh


@dataclass(frozen=True, slots=True)
class TreeWanted:
    """A copy of `source`. links: paths in it that lead elsewhere, with where; folders: what must be in it besides."""

    source: str
    links: Mapping[str, str]
    folders: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Return what the marker beside a whole tree holds (16 hex digits)."""
        parts = [self.source, sorted(self.links.items()), self.folders]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class TreeSeen:
    """What lies at the path. digest: of a whole one, as its marker says; links: where those lead that are there."""

    there: bool
    digest: str = ""
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TreeKind:
    """Keys are paths; beside each lies KEY.complete. Not wanted: both go."""

    name: str = "tree"
    account: Account = "login"

    def ask(self, wants: Mapping[str, TreeWanted | None]) -> Sh:
        """Print a row KEY absent, KEY partial or KEY whole DIGEST for each, and a row KEY link PATH TARGET."""
        return lines(*(self._ask(key, want) for key, want in wants.items()))

    def _ask(self, key: str, want: TreeWanted | None) -> Sh:
        links = tuple(want.links) if want else ()
        return sh(
            """\
a=
if [ -d {key} ] && [ -f {key}.complete ]; then
  read -r a <{key}.complete; row {key} whole "$a"
  for f in {links}; do if [ -L {key}/"$f" ]; then row {key} link "$f" "$(readlink -- {key}/"$f")"; fi; done
elif [ -e {key} ] || [ -L {key} ]; then row {key} partial; else row {key} absent; fi""",
            key=key,
            links=links,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, TreeSeen]:
        """Return what lies at each path; raises HostError for a row of another shape."""
        found: dict[str, TreeSeen] = {}
        for row in rows:
            match row:
                case (key, "absent"):
                    found[key] = TreeSeen(there=False)
                case (key, "partial"):
                    found[key] = TreeSeen(there=True)
                case (key, "whole", digest):
                    found[key] = TreeSeen(there=True, digest=digest)
                case (key, "link", path, target) if key in found:
                    one = found[key]
                    found[key] = TreeSeen(one.there, one.digest, (*one.links, (path, target)))
                case _:
                    raise places.malformed(self.name, row)
        return found

    def diff(self, key: str, want: TreeWanted | None, seen: TreeSeen | None) -> Change | None:
        """Return what would change."""
        name, found = f"{self.name}:{key}", seen or TreeSeen(there=False)
        if want is None:
            return Change(name, "delete", "it is not wanted") if found.there else None
        if not found.there:
            return Change(name, "create", "it is not there")
        if found.digest != want.digest:
            return Change(name, "replace", "its making was interrupted")
        lost = [path for path, target in sorted(want.links.items()) if (path, target) not in found.links]
        if lost:
            return Change(name, "update", "it does not lead where the data is", tuple(f"+ {path}" for path in lost))
        return None

    def act(self, key: str, want: TreeWanted | None, seen: TreeSeen | None) -> Act:
        """Make the copy from nothing, or only its links where the rest is whole."""
        if want is None:
            return Act(
                sh("rm -f -- {key}.complete\nrm -rf -- {key}", key=key),
                guard=sh("[ ! -e {key} ] && [ ! -e {key}.complete ]", key=key),
            )
        right = [
            sh('[ "$(readlink -- {path} 2>/dev/null)" = {target} ]', path=f"{key}/{path}", target=target)
            for path, target in sorted(want.links.items())
        ]
        whole = sh('[ -d {key} ] && read -r a <{key}.complete && [ "$a" = {digest} ]', key=key, digest=want.digest)
        guard = Sh(" && ".join(part.text for part in (whole, *right)))
        if seen is not None and seen.digest == want.digest:
            return Act(self._links(key, want), guard=guard)
        copy = sh(
            """\
rm -f -- {key}.complete
rm -rf -- {key} {key}.new
if ! cp -al -- {source} {key}.new 2>/dev/null; then
  rm -rf -- {key}.new
  cp -a -- {source} {key}.new
fi
rm -f -- {key}.new/{marker}
mkdir -p -- {folders}
{links}
mv -T -- {key}.new {key}
printf '%s\\n' {digest} >{key}.complete.new
sync {key}.complete.new 2>/dev/null || sync
mv -f -- {key}.complete.new {key}.complete""",
            key=key,
            source=want.source,
            marker=MARKER,
            folders=[f"{key}.new", *(f"{key}.new/{folder}" for folder in want.folders)],
            links=self._links(f"{key}.new", want),
            digest=want.digest,
        )
        return Act(copy, guard=guard)

    @staticmethod
    def _links(key: str, want: TreeWanted) -> Sh:
        return lines(
            sh(":"),
            *(
                sh(
                    "mkdir -p -- {above}\nrm -rf -- {path}\nln -s -- {target} {path}",
                    above=f"{key}/{path}".rpartition("/")[0],
                    path=f"{key}/{path}",
                    target=target,
                )
                for path, target in sorted(want.links.items())
            ),
        )
