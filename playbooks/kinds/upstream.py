"""Where nginx passes a site's requests on to: a link that it follows at each request, so no switch reloads nginx.

A reload ends the connections that are idle then, and whoever sends a request at that moment loses it. So a site asks
`$realpath_root` where its link leads: to an empty folder that is called as the port is, or CLOSED. The link is switched
by a rename; a request that was passed on before goes on where it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

FOLDER = "/var/lib/crmhost/upstreams"
"""Its owner is root, and all may enter: nginx's workers look into it."""
CLOSED = "closed"
"""Where the link leads while nobody is let in."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


@dataclass(frozen=True, slots=True)
class UpstreamWanted:
    """The loopback port that requests go to; None: nobody is let in."""

    port: int | None

    @property
    def place(self) -> str:
        """Return the name of the folder that the link leads to."""
        return CLOSED if self.port is None else str(self.port)


@dataclass(frozen=True, slots=True)
class UpstreamSeen:
    """What there is. target: where the link leads, empty where there is none; whole: nginx can follow it."""

    there: bool
    target: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class UpstreamKind:
    """Keys are names; the link is FOLDER/KEY/now. Not wanted: the folder of that name goes."""

    name: str = "upstream"
    account: Account = "root"

    def ask(self, wants: Mapping[str, UpstreamWanted | None]) -> Sh:
        """Print a row KEY yes|no TARGET yes|no for each."""
        return sh(
            """\
for p in {keys}; do
  u={folder}/$p; x=no; t=; o=no
  [ ! -e "$u" ] || x=yes
  [ ! -L "$u/now" ] || t=$(readlink -n -- "$u/now")
  w=$(stat -c %a:%U -- "$u" "$u/now/" 2>/dev/null | tr '\\n' ' ')
  [ -z "$t" ] || [ "$w" != '755:root 755:root ' ] || o=yes
  row "$p" "$x" "$t" "$o"
done""",
            keys=tuple(_checked(key) for key in wants),
            folder=FOLDER,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, UpstreamSeen]:
        """Return where each leads; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> UpstreamSeen:
        match row[1:]:
            case ("yes" | "no" as there, target, "yes" | "no" as whole):
                return UpstreamSeen(there == "yes", target, whole == "yes")
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: UpstreamWanted | None, seen: UpstreamSeen | None) -> Change | None:
        """Return what would change; no request is lost by it."""
        name, found = f"{self.name}:{_checked(key)}", seen or UpstreamSeen(there=False)
        if want is None:
            return Change(name, "delete", "it is not wanted", disrupts="outage") if found.there else None
        if not found.target:
            return Change(name, "create", "it is not there", (f"+ {want.place}",))
        if found.target != want.place:
            return Change(name, "switch", "it leads elsewhere", (f"- {safe_line(found.target)}", f"+ {want.place}"))
        return None if found.whole else Change(name, "update", "nginx cannot follow it")

    def act(self, key: str, want: UpstreamWanted | None, seen: UpstreamSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Switch the link by a rename; where it led before stays until the next switch, for who looks right now."""
        place = f"{FOLDER}/{_checked(key)}"
        if want is None:
            return Act(sh("rm -rf -- {place}", place=place), guard=sh("[ ! -e {place} ]", place=place))
        return Act(sh(_SWITCH, folder=FOLDER, place=place, target=want.place))


def _checked(key: str) -> str:
    if not _NAME.fullmatch(key):
        raise ValueError(
            f"upstream:{safe_line(key)}: a name has 1 to 100 small letters, digits, _ and -, a letter or digit first"
        )
    return key


_SWITCH = """\
d={place}; t={target}; b=
[ ! -L "$d/now" ] || b=$(readlink -n -- "$d/now")
install -d -m 755 -o root -g root -- {folder} "$d" "$d/$t"
for o in "$d"/[0-9a-z]*; do
  case ${{o##*/}} in now|"$t"|"$b") ;; *) rm -rf -- "$o" ;; esac
done
rm -f -- "$d/.next"
ln -s -- "$t" "$d/.next"
mv -fT -- "$d/.next" "$d/now\""""
