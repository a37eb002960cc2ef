"""Debian packages, from the host's archives or from a folder of .deb files on it; configuration files are kept.

Those of a deploy name each other, so that the first one's act installs all with one run of apt-get. What is installed
already is not upgraded, unless another version is wanted, and nothing is removed to make room for something.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from crm.plan import Change
from playbooks.kind import Account, Act, Resource, Row
from playbooks.kinds import places
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe_line

State: TypeAlias = Literal["absent", "half", "installed", "no-tool"]
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~-]*")
_STATES: Mapping[str, State] = {
    "absent": "absent",
    "not-installed": "absent",
    "config-files": "absent",
    "half-installed": "half",
    "unpacked": "half",
    "half-configured": "half",
    "triggers-awaited": "half",
    "triggers-pending": "half",
    "installed": "installed",
    "no-tool": "no-tool",
}


@dataclass(frozen=True, slots=True)
class PackageWanted:
    """A package is installed. version: this one exactly; empty: whichever is there, or else the newest.

    folder: absolute path of a folder of .deb files on the host that it comes from, with what it depends on; no archive
    is asked then. beside: `name` or `name=version` of others that are installed in the same run.
    """

    version: str = ""
    folder: str = ""
    beside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be a version, a package or a folder; raises ValueError."""
        if self.version and not _VERSION.fullmatch(self.version):
            raise ValueError(f"{self.version!r} is no version of a package")
        if self.folder and not self.folder.startswith("/"):
            raise ValueError(f"{self.folder!r}: a folder of packages is an absolute path")
        for word in self.beside:
            _parted(word)


def packages(words: Sequence[str], folder: str = "", needs: tuple[str, ...] = ()) -> tuple[Resource, ...]:
    """Return the resources for packages, each `name` or `name=version`, that are installed in one run."""
    kind, parted = PackageKind(), [(word, *_parted(word)) for word in words]
    return tuple(
        Resource(kind, name, PackageWanted(version, folder, tuple(w for w in words if w != word)), needs)
        for word, name, version in parted
    )


@dataclass(frozen=True, slots=True)
class PackageSeen:
    """What dpkg knows. half: its installation was interrupted; no-tool: the host has no dpkg."""

    state: State
    version: str = ""


@dataclass(frozen=True, slots=True)
class PackageKind:
    """Keys are names. Not wanted: it is removed; where others depend on it they are left, and the act fails.

    patience: seconds that another program may hold the package manager's lock.
    """

    patience: int = 300
    name: str = "package"
    account: Account = "root"

    def ask(self, wants: Mapping[str, PackageWanted | None]) -> Sh:
        """Print a row KEY STATUS VERSION for each, with one `dpkg-query` for all."""
        return sh(
            """\
set -- {keys}
x=absent; t=
if command -v dpkg-query >/dev/null 2>&1; then
  t=$(dpkg-query -W -f '${{Package}} ${{db:Status-Status}} ${{Version}}\\n' -- "$@" 2>/dev/null)
else x=no-tool; fi
for p do
  k=$x; v=
  while read -r a b c; do
    if [ "$a" = "$p" ] && [ "$k" != installed ]; then k=$b; v=$c; fi
  done <<answer
$t
answer
  row "$p" "$k" "$v"
done""",
            keys=tuple(_name(key) for key in wants),
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, PackageSeen]:
        """Return what dpkg knows of each; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> PackageSeen:
        match row[1:]:
            case (status, version) if status in _STATES:
                return PackageSeen(_STATES[status], version)
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: PackageWanted | None, seen: PackageSeen | None) -> Change | None:
        """Return what would change."""
        name, there = f"{self.name}:{_name(key)}", seen or PackageSeen("absent")
        if want is None:
            return Change(name, "delete", "it is not wanted") if there.state in {"half", "installed"} else None
        version = (f"+ version {want.version}",) if want.version else ()
        match there.state:
            case "no-tool":
                return Change(name, "create", "the host has no dpkg: it is neither Debian nor Ubuntu")
            case "absent":
                return Change(name, "create", "it is not installed", version)
            case "half":
                return Change(name, "update", "its installation was interrupted", version)
        if want.version in {"", there.version}:
            return None
        return Change(name, "update", "its version differs", (f"- version {safe_line(there.version)}", *version))

    def act(self, key: str, want: PackageWanted | None, seen: PackageSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Mend what was interrupted, and install what is missing of it and those beside it in one run of apt-get."""
        tools = sh(_TOOLS, patience=self.patience)
        if want is None:
            return Act(lines(tools, sh(_REMOVE, key=_name(key))))
        own = f"{_name(key)}={want.version}" if want.version else _name(key)
        source = sh(_FROM_FOLDER, folder=want.folder) if want.folder else sh(_FROM_ARCHIVES)
        install = sh(
            _INSTALL,
            missing=_MISSING,
            words=(own, *want.beside),
            source=source,
            downgrade=sh("--allow-downgrades ") if any("=" in word for word in (own, *want.beside)) else sh(""),
        )
        return Act(lines(tools, install), guard=sh('{missing}\n[ -z "$(missing {own})" ]', missing=_MISSING, own=own))


def _name(key: str) -> str:
    if not _NAME.fullmatch(key):
        raise ValueError(f"package:{safe_line(key)}: a name has at least 2 small letters, digits, +, - and .")
    return key


def _parted(word: str) -> tuple[str, str]:
    """Return name and version of `name` or `name=version`; raises ValueError."""
    name, equals, version = word.partition("=")
    if equals and not _VERSION.fullmatch(version):
        raise ValueError(f"{word!r}: {version!r} is no version of a package")
    return _name(name), version


_MISSING = sh(
    """\
missing() {{
  for w do
    v=${{w#"${{w%%=*}}"}}; f='${{db:Status-Status}}'; x=installed
    if [ -n "$v" ]; then f="$f=\\${{Version}}"; x=installed$v; fi
    dpkg-query -W -f "$f\\n" -- "${{w%%=*}}" 2>/dev/null | grep -q -F -x -e "$x" || printf '%s\\n' "$w"
  done
}}"""
)

_TOOLS = """\
export DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_MODE=l
deadline=$(($(date +%s) + {patience}))
patient() {{
  while :; do
    code=0
    "$@" >"$staging/.apt" 2>&1 || code=$?
    if ! grep -q -e 'Could not get lock' -e 'Unable to lock' -e 'lock was locked by' "$staging/.apt"; then
      cat "$staging/.apt"
      return "$code"
    fi
    if [ "$(date +%s)" -ge "$deadline" ]; then
      grep -m 1 -e 'get lock' -e ' lock' "$staging/.apt"
      echo 'another program is using the package manager; wait until it has ended, and try again'
      exit 1
    fi
    sleep 1
  done
}}"""

_INSTALL = """\
{missing}
get() {{
  patient apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=2 -o Dpkg::Options::=--force-confdef \\
    -o Dpkg::Options::=--force-confold "$@"
}}
if [ -n "$(dpkg --audit)" ]; then
  patient dpkg --configure -a --force-confdef --force-confold || true
  get --no-remove -f install
fi
wanted=$(missing {words})
[ -n "$wanted" ] || exit 0
{source}
get "$@" --no-remove --no-install-recommends {downgrade}install -- $wanted"""

_FROM_ARCHIVES = """\
set --
get update || echo 'the archives could not be asked; going on with what is known of them'"""

_FROM_FOLDER = """\
set --
for f in {folder}/*.deb; do
  [ -f "$f" ] || {{ echo 'there are no packages in' {folder}; exit 1; }}
  set -- "$@" --with-source "$f"
done
set -- "$@" -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/dev/null -o Dir::Cache::pkgcache= \\
  -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root"""

_REMOVE = """\
gone=$(LC_ALL=C apt-get -s -q -y remove -- {key} | sed -n 's/^Remv \\([^ ]*\\).*/\\1/p' | tr '\\n' ' ')
case $gone in
  '') exit 0 ;;
  {key}' ') patient apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=2 remove -- {key} ;;
  *) echo "these would go with it: $gone; remove them first, or keep it"; exit 1 ;;
esac"""
