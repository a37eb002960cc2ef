"""Symbolic links, switched by a rename: at every instant the name leads to the old place or to the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.paths import staged
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line


@dataclass(frozen=True, slots=True)
class LinkWanted:
    """Where the link leads, as it is written in it."""

    target: str


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """What lies at the path. target: where it leads, None for what is no link; there: something is at the path."""

    there: bool
    target: str | None = None


@dataclass(frozen=True, slots=True)
class LinkKind:
    """Keys are paths. Not wanted: the link goes, and where it leads stays."""

    name: str = "link"
    account: Account = "login"

    def ask(self, wants: Mapping[str, LinkWanted | None]) -> Sh:
        """Print a row KEY absent, KEY other or KEY link TARGET for each."""
        return sh(
            """\
for p in {keys}; do
  if [ -L "$p" ]; then
    g=$(readlink -n -- "$p"; printf x); row "$p" link "${{g%x}}"
  elif [ -e "$p" ]; then row "$p" other; else row "$p" absent; fi
done""",
            keys=tuple(wants),
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, LinkSeen]:
        """Return where each link leads; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> LinkSeen:
        match row[1:]:
            case ("absent",):
                return LinkSeen(there=False)
            case ("other",):
                return LinkSeen(there=True)
            case ("link", target):
                return LinkSeen(there=True, target=target)
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: LinkWanted | None, seen: LinkSeen | None) -> Change | None:
        """Return what would change."""
        name, found = f"{self.name}:{key}", seen or LinkSeen(there=False)
        if want is None:
            return Change(name, "delete", "it is not wanted") if found.there else None
        if not found.there:
            return Change(name, "create", "it is not there", (f"+ {want.target}",))
        if found.target is None:
            return Change(name, "create", "there is something else in its place")
        if found.target != want.target:
            lines = (f"- {safe_line(found.target)}", f"+ {want.target}")
            return Change(name, "switch", "it leads elsewhere", lines)
        return None

    def act(self, key: str, want: LinkWanted | None, seen: LinkSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Switch the link by a rename; what is not a link is left, and the act fails."""
        refuse = sh(
            """\
if [ -e {key} ] && [ ! -L {key} ]; then echo 'there is something else in its place; move it away'; exit 1; fi""",
            key=key,
        )
        if want is None:
            return Act(sh("{refuse}\nrm -f -- {key}", refuse=refuse, key=key), guard=sh("[ ! -L {key} ]", key=key))
        return Act(
            sh(
                """\
{refuse}
rm -f "$staging"/{name}
ln -s -- {target} "$staging"/{name}
mv -fT -- "$staging"/{name} {key}""",
                refuse=refuse,
                key=key,
                name=staged(key),
                target=want.target,
            ),
            guard=sh('[ -L {key} ] && [ "$(readlink -n -- {key})" = {target} ]', key=key, target=want.target),
        )
