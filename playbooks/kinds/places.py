"""What lies at a path: the part of asking that folders, files and databases share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from crm.errors import HostError
from playbooks.kind import Row
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

Sort: TypeAlias = Literal["absent", "folder", "linked", "file", "link", "other"]
"""`linked`: a link to a folder that the account owns; `mode` is then the folder's."""


@dataclass(frozen=True, slots=True)
class PlaceSeen:
    """What lies at a path; `mode` is 0 where nothing does."""

    sort: Sort
    mode: int = 0

    @property
    def in_the_way(self) -> str:
        """Return the sentence for what should not lie there."""
        return f"there is a {'link' if self.sort == 'linked' else self.sort} in its place"


def ask(keys: Sequence[str]) -> Sh:
    """Return a fragment that prints a row KEY SORT MODE for each path, with one `stat` for all."""
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
m=; [ "$#" = 0 ] || m=$(stat -c %a -- "$@" 2>/dev/null)
set -- {keys}
for k in $t; do
  if [ "$k" = absent ]; then row "$1" absent 0; else row "$1" "$k" "${{m%%"$nl"*}}"; m=${{m#*"$nl"}}; fi
  shift
done""",
        keys=tuple(keys),
    )


def read(kind: str, rows: Sequence[Row]) -> Mapping[str, PlaceSeen]:
    """Return what lies at each path; raises HostError for a row of another shape."""
    return {row[0]: place(kind, row) for row in rows}


def place(kind: str, row: Row) -> PlaceSeen:
    """Return what one row KEY SORT MODE says; raises HostError for a row of another shape."""
    if len(row) != 3 or row[1] not in get_args(Sort) or not row[2] or set(row[2]) - set("01234567"):
        raise malformed(kind, row)
    return PlaceSeen(cast(Sort, row[1]), int(row[2], 8))


def malformed(kind: str, row: Row) -> HostError:
    """Return the error for a row that the kind's fragment cannot have printed, unless files vanish as they are read."""
    return HostError(
        f"{kind}: an answer makes no sense: {safe_line(' '.join(row))!r}",
        "Run the same command again; if it stays so, something else changes these files at this moment.",
    )
