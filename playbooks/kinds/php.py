"""The host's PHP for programs, found once and kept as a link: hosts have several, under many names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.kinds.venv import Minor
from playbooks.paths import staged
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

_TELL = 'echo PHP_VERSION, " ", implode(",", array_map("strtolower", get_loaded_extensions()));'
"""Prints `8.2.7 core,date,…`; an extension with a space in its name has none of ours."""


@dataclass(frozen=True, slots=True)
class PhpWanted:
    """versions: the oldest allowed and the first too new, as (8, 1), (8, 4). extensions: as `php -m` names them."""

    versions: tuple[Minor, Minor]
    extensions: tuple[str, ...] = ()

    @property
    def minors(self) -> tuple[str, ...]:
        """Return the allowed versions of the major version of the oldest, newest first: `8.3`, `8.2`, …."""
        (major, oldest), (next_major, too_new) = self.versions
        last = too_new if next_major == major else oldest + 10
        return tuple(f"{major}.{minor}" for minor in range(last - 1, oldest - 1, -1))

    def lacks(self, extensions: str) -> tuple[str, ...]:
        """Return which of the extensions are not in a list that a PHP printed."""
        there = set(extensions.lower().split(","))
        return tuple(name for name in self.extensions if name.lower() not in there)


@dataclass(frozen=True, slots=True)
class PhpSeen:
    """What the link leads to. version: `8.2.7`, empty where it does not run; extensions: separated by commas."""

    there: bool
    version: str = ""
    extensions: str = ""


@dataclass(frozen=True, slots=True)
class PhpKind:
    """Keys are paths of links. Not wanted: the link goes."""

    name: str = "php"
    account: Account = "login"

    def ask(self, wants: Mapping[str, PhpWanted | None]) -> Sh:
        """Print a row KEY absent, or KEY there VERSION EXTENSIONS, for each."""
        return sh(
            """\
for p in {keys}; do
  if [ -L "$p" ]; then
    v=$("$p" -r {tell} 2>/dev/null) || v=
    row "$p" there "${{v%% *}}" "${{v#* }}"
  else row "$p" absent; fi
done""",
            keys=tuple(wants),
            tell=_TELL,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, PhpSeen]:
        """Return what each link leads to; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> PhpSeen:
        match row[1:]:
            case ("absent",):
                return PhpSeen(there=False)
            case ("there", version, extensions):
                return PhpSeen(there=True, version=version, extensions=extensions)
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: PhpWanted | None, seen: PhpSeen | None) -> Change | None:
        """Return what would change."""
        name, found = f"{self.name}:{key}", seen or PhpSeen(there=False)
        if want is None:
            return Change(name, "delete", "it is not wanted") if found.there else None
        if not found.there:
            return Change(name, "create", "it is not there")
        if found.version.rpartition(".")[0] not in want.minors:
            return Change(name, "replace", f"it is {safe_line(found.version) or 'gone from the host'}")
        lacks = want.lacks(found.extensions)
        if lacks:
            return Change(name, "replace", f"it lacks {', '.join(lacks)}")
        return None

    def act(self, key: str, want: PhpWanted | None, seen: PhpSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Find the newest allowed PHP that has the extensions, or say which there are, and fail."""
        if want is None:
            return Act(sh("rm -f -- {key}", key=key), guard=sh("[ ! -L {key} ]", key=key))
        link = sh(
            """\
{find}
rm -f -- "$staging"/{name}
ln -s -- "$found" "$staging"/{name}
mv -fT -- "$staging"/{name} {key}""",
            find=find_php(want),
            name=staged(key),
            key=key,
        )
        return Act(link)


def php_names(minors: Sequence[str]) -> tuple[str, ...]:
    """Return the names to look for these versions by, in their order: Debian's, and where hosting panels keep them."""
    named = (
        name
        for minor in minors
        for name in (
            f"php{minor}",
            f"/opt/alt/php{minor.replace('.', '')}/usr/bin/php",
            f"/opt/cpanel/ea-php{minor.replace('.', '')}/root/usr/bin/php",
            f"/opt/plesk/php/{minor}/bin/php",
        )
    )
    return (*named, "php", "/usr/local/bin/php")


def find_php(want: PhpWanted) -> Sh:
    """Return shell that sets `found`, or says which PHPs the host has, and fails."""
    return sh(
        """\
found=; why=
for p in {names}; do
  c=$(command -v "$p" 2>/dev/null) || continue
  v=$("$c" -r {tell} 2>/dev/null) || continue
  case " {minors} " in
    *" $(printf %s "$v" | cut -d. -f1,2) "*) ;;
    *) why="$why; $c is ${{v%% *}}"; continue ;;
  esac
  l=
  for e in {extensions}; do case ",${{v#* }}," in *",$e,"*) ;; *) l="$l $e" ;; esac; done
  if [ -z "$l" ]; then found=$c; break; fi
  why="$why; $c is ${{v%% *}}, without$l"
done
if [ -z "$found" ]; then
  echo {missing} "${{why:-; no PHP for programs at all}}"
  exit 1
fi""",
        names=php_names(want.minors),
        tell=_TELL,
        minors=Sh(" ".join(want.minors)),
        extensions=tuple(name.lower() for name in want.extensions),
        missing=f"the host has no usable PHP from {want.minors[-1]} to {want.minors[0]}",
    )
