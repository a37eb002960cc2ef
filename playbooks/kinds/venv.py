"""Virtual environments from a lock with hashes, built in place: they cannot be moved once they are built.

Contracts share them, so they are built under a lock of their folder. A marker, written last, tells a whole one from
one whose building was interrupted; the latter is removed and built again. The newest Python on the host that the lock
allows is taken.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crm.plan import Change
from playbooks.kind import Account, Act, Put, Row
from playbooks.kinds import places
from playbooks.paths import parent, staged
from playbooks.shell import Sh, flocked, sh
from playbooks.terminal import safe_line

MARKER = ".complete"
_LATER = 20  # versions, each of which is looked for by its name
_PATIENCE = 1200  # seconds that another contract's building of environments may take
Minor = tuple[int, int]


@dataclass(frozen=True, slots=True)
class VenvWanted:
    """What is installed: `lock` is a requirements file in which everything has hashes.

    python: the oldest version allowed and the first that is too new, as (3, 10), (3, 15). build: a second such file
    with what builds those packages of `lock` that exist only as source; empty where none does. wheels: absolute path
    of a folder on the host that everything is taken from, and no index is asked; empty: an index is. shared: other
    accounts may read and run what is installed.
    """

    lock: str = field(repr=False)
    python: tuple[Minor, Minor]
    build: str = field(default="", repr=False)
    wheels: str = ""
    shared: bool = False

    def __post_init__(self) -> None:
        """Refuse a folder whose place depends on where one is; raises ValueError."""
        if self.wheels and not self.wheels.startswith("/"):
            raise ValueError(f"{self.wheels!r}: a folder of wheels is an absolute path")

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of what is installed, which the marker holds."""
        return hashlib.sha256(f"{self.lock}\x00{self.build}".encode()).hexdigest()

    @property
    def minors(self) -> tuple[str, ...]:
        """Return the allowed versions, newest first: `3.12`, `3.11`, …; all later ones of a major version are some."""
        (major, oldest), (next_major, too_new) = self.python
        if next_major > major:
            too_new = oldest + _LATER
        return tuple(f"{major}.{minor}" for minor in range(too_new - 1, oldest - 1, -1))


@dataclass(frozen=True, slots=True)
class VenvSeen:
    """What lies at the path. digest, python: of a whole one, as its marker says; broken: its interpreter is gone."""

    there: bool
    digest: str = ""
    python: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class VenvKind:
    """Keys are paths. Not wanted: the environment goes."""

    name: str = "venv"
    account: Account = "login"

    def ask(self, wants: Mapping[str, VenvWanted | None]) -> Sh:
        """Print a row KEY absent, KEY partial, KEY broken or KEY whole DIGEST PYTHON for each."""
        return sh(
            """\
for p in {keys}; do
  a=; b=
  if [ ! -e "$p" ] && [ ! -L "$p" ]; then row "$p" absent
  elif [ ! -f "$p"/{marker} ]; then row "$p" partial
  elif [ ! -x "$p/bin/python" ]; then row "$p" broken
  else read -r a b <"$p"/{marker}; row "$p" whole "$a" "$b"; fi
done""",
            keys=tuple(wants),
            marker=MARKER,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, VenvSeen]:
        """Return what lies at each path; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> VenvSeen:
        match row[1:]:
            case ("absent",):
                return VenvSeen(there=False)
            case ("partial",):
                return VenvSeen(there=True)
            case ("broken",):
                return VenvSeen(there=True, broken=True)
            case ("whole", digest, python):
                return VenvSeen(there=True, digest=digest, python=python)
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: VenvWanted | None, seen: VenvSeen | None) -> Change | None:
        """Return what would change."""
        name, found = f"{self.name}:{key}", seen or VenvSeen(there=False)
        if want is None:
            return Change(name, "delete", "it is not wanted") if found.there else None
        if not found.there:
            return Change(name, "create", "it is not there")
        if found.broken:
            return Change(name, "replace", "its interpreter is gone from the host")
        if not found.digest:
            return Change(name, "replace", "its building was interrupted")
        if found.digest != want.digest:
            return Change(name, "replace", "it was built from another lock", (f"- {safe_line(found.digest)[:12]}",))
        return None

    def act(self, key: str, want: VenvWanted | None, seen: VenvSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Build it in place from nothing; takes as long as downloading and installing do."""
        if want is None:
            return Act(sh("rm -rf -- {key}", key=key), guard=sh("[ ! -e {key} ]", key=key))
        guard = sh(
            '[ -x {key}/bin/python ] && read -r a b <{key}/{marker} && [ "$a" = {digest} ]',
            key=key,
            marker=MARKER,
            digest=want.digest,
        )
        puts = [Put(staged(key), want.lock.encode())]
        if want.build:
            puts.append(Put(f"{staged(key)}.build", want.build.encode()))
        build = sh(
            """\
mkdir -p -- {parent}
exec 7>>{parent}/.lock
{flocked}
if {guard}; then exit 0; fi
{find}
{umask}rm -rf -- {key}
place=$(cd -P -- {parent} && pwd -P)/{last}
"$found" -m venv "$place"
install() {{
  "$place"/bin/python -m pip install --no-input --disable-pip-version-check --progress-bar off --no-compile \\
    --require-hashes {source}"$@"
}}
{install}
"$place"/bin/python -m compileall -q -j 0 "$place"/lib || true
printf '%s %s\\n' {digest} "$version" >"$staging"/{name}.marker
sync "$staging"/{name}.marker 2>/dev/null || sync
mv -f -- "$staging"/{name}.marker {key}/{marker}""",
            guard=guard,
            flocked=flocked(7, _PATIENCE, sh("echo 'another contract builds beside it for too long'; exit 1")),
            find=find_python(want),
            key=key,
            parent=parent(key),
            last=posixpath.basename(key),
            install=_install(key, want),
            umask=sh("umask 022\n") if want.shared else sh(""),
            source=sh("--no-index --find-links {wheels} ", wheels=want.wheels) if want.wheels else sh(""),
            name=staged(key),
            digest=want.digest,
            marker=MARKER,
        )
        return Act(build, tuple(puts), guard)


def _install(key: str, want: VenvWanted) -> Sh:
    """Return shell that installs the lock: what builds from source first, so that pip fetches no builder of its own."""
    if not want.build:
        return sh('install -r "$staging"/{name}', name=staged(key))
    return sh('install -r "$staging"/{name}.build\ninstall --no-build-isolation -r "$staging"/{name}', name=staged(key))


def python_names(minors: Sequence[str]) -> tuple[str, ...]:
    """Return the names to look for these versions by, in their order, then those of any version.

    Besides the search path they are where web hosts keep several versions.
    """
    named = (
        f"{folder}python{minor}"
        for minor in minors
        for folder in ("", f"/opt/alt/python{minor.replace('.', '')}/bin/", "/usr/local/bin/")
    )
    return (*named, "python3", "python")


def find_python(want: VenvWanted) -> Sh:
    """Return shell that sets `found` and `version`, or says which Pythons the host has, and fails."""
    return sh(
        """\
found=; version=; why=
for p in {names}; do
  c=$(command -v "$p" 2>/dev/null) || continue
  version=$("$c" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
  case " {minors} " in
    *" ${{version%.*}} "*) ;;
    *) why="$why; $c is $version"; continue ;;
  esac
  if "$c" -c 'import ensurepip, venv' 2>/dev/null; then found=$c; break; fi
  why="$why; $c is $version, without venv or ensurepip (on Debian: python${{version%.*}}-venv)"
done
if [ -z "$found" ]; then
  echo {missing} "${{why:-; no Python at all}}"
  exit 1
fi""",
        names=python_names(want.minors),
        minors=Sh(" ".join(want.minors)),
        missing=f"the host has no usable Python from {want.minors[-1]} to {want.minors[0]}",
    )
