"""What lies at a path, and whose it is: the part of asking that folders, files and databases share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from crm.errors import HostError
from playbooks.kind import Row
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

Sort: TypeAlias = Literal["absent", "folder", "linked", "file", "link", "other"]
"""`linked`: a link to a folder that the account owns; `mode` is then the folder's."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose something must be, by the names of an account and a group; empty: it is not looked at."""

    user: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a name; raises ValueError."""
        for name in (self.user, self.group):
            if name and not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an account or group")

    def __bool__(self) -> bool:
        """Tell whether it is looked at."""
        return bool(self.user or self.group)

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.user}:{self.group}" if self.group else self.user

    @property
    def change(self) -> Sh:
        """Return shell that gives it the path in "$1", never what a link leads to."""
        return sh('chown -h {owner} -- "$1"', owner=str(self))

    def differs(self, user: str, group: str) -> tuple[str, ...]:
        """Return the lines of a plan for what another account or group owns."""
        pairs = (("owner", user, self.user), ("group", group, self.group))
        return tuple(f"{what} {safe_line(old)} -> {new}" for what, old, new in pairs if new and new != old)

    def is_at(self, key: str, mode: int | None = None) -> Sh:
        """Return shell that succeeds when the path has this owner, and this mode where one is given."""
        parts = (("%a", "" if mode is None else f"{mode:o}"), ("%U", self.user), ("%G", self.group))
        looked = [(name, value) for name, value in parts if value]
        return sh(
            '[ "$(stat -c {names} -- {key})" = {values} ]',
            names=":".join(name for name, _ in looked),
            values=":".join(value for _, value in looked),
            key=key,
        )


@dataclass(frozen=True, slots=True)
class PlaceSeen:
    """What lies at a path; `mode` is 0 where nothing does. user, group: whose it is, empty where that was not asked."""

    sort: Sort
    mode: int = 0
    user: str = ""
    group: str = ""

    @property
    def in_the_way(self) -> str:
        """Return the sentence for what should not lie there."""
        return f"there is a {'link' if self.sort == 'linked' else self.sort} in its place"


def ask(keys: Sequence[str], *, owners: bool = False) -> Sh:
    """Return a fragment that prints a row KEY SORT MODE for each path, with one `stat` for all.

    owners: a row has two fields more, USER and GROUP.
    """
    if owners:
        return _ask(keys, "%a:%U:%G", _OWNED)
    return _ask(keys, "%a", sh('row "$1" "$k" "${{m%%"$nl"*}}"'))


_OWNED = sh('u=${{m%%"$nl"*}}; g=${{u#*:}}; row "$1" "$k" "${{u%%:*}}" "${{g%%:*}}" "${{g#*:}}"')


def _ask(keys: Sequence[str], names: str, answer: Sh) -> Sh:
    return sh(
        """\
set -- {keys}
t=; nl='
'
for p do
  shift
  s=$p
  if [ -L "$p" ]; then
    if [ -d "$p" ] && [ -O "$p/." ]; then k=linked s=$p/.; else k=link; fi
  elif [ -d "$p" ]; then k=folder; elif [ -f "$p" ]; then k=file
  elif [ -e "$p" ]; then k=other; else k=absent; fi
  t="$t $k"
  if [ "$k" != absent ]; then set -- "$@" "$s"; fi
done
m=; [ "$#" = 0 ] || m=$(stat -c {names} -- "$@" 2>/dev/null)
set -- {keys}
for k in $t; do
  if [ "$k" = absent ]; then row "$1" absent 0; else {answer}; m=${{m#*"$nl"}}; fi
  shift
done""",
        keys=tuple(keys),
        names=names,
        answer=answer,
    )


def read(kind: str, rows: Sequence[Row]) -> Mapping[str, PlaceSeen]:
    """Return what lies at each path; raises HostError for a row of another shape."""
    return {row[0]: place(kind, row) for row in rows}


def place(kind: str, row: Row) -> PlaceSeen:
    """Return what one row KEY SORT MODE [USER GROUP] says; raises HostError for a row of another shape."""
    if len(row) not in {3, 5} or row[1] not in get_args(Sort) or not row[2] or set(row[2]) - set("01234567"):
        raise malformed(kind, row)
    return PlaceSeen(cast(Sort, row[1]), int(row[2], 8), *row[3:])


def malformed(kind: str, row: Row) -> HostError:
    """Return the error for a row that the kind's fragment cannot have printed, unless files vanish as they are read."""
    return HostError(
        f"{kind}: an answer makes no sense: {safe_line(' '.join(row))!r}",
        "Run the same command again; if it stays so, something else changes these files at this moment.",
    )
