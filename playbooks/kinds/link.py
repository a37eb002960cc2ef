"""Symbolic links, switched by a rename: at every instant the name leads to the old place or to the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places
from playbooks.kinds.places import Owner
from playbooks.paths import staged
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line


@dataclass(frozen=True, slots=True)
class LinkWanted:
    """Where the link leads, as it is written in it. owner, group: whose it is, empty where that does not matter."""

    target: str
    owner: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        """Refuse an owner that cannot be one; raises ValueError."""
        _ = self.whose

    @property
    def whose(self) -> Owner:
        """Return whose it must be."""
        return Owner(self.owner, self.group)


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """What lies at the path. target: where it leads, None for what is no link; there: something is at the path.

    user, group: whose it is, empty where that was not asked.
    """

    there: bool
    target: str | None = None
    user: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class LinkKind:
    """Keys are paths. Not wanted: the link goes, and where it leads stays."""

    name: str = "link"
    account: Account = "login"

    def ask(self, wants: Mapping[str, LinkWanted | None]) -> Sh:
        """Print a row KEY absent, KEY other or KEY link TARGET [USER GROUP] for each."""
        owners = any(want is not None and want.whose for want in wants.values())
        return sh(
            """\
for p in {keys}; do
  if [ -L "$p" ]; then
    g=$(readlink -n -- "$p"; printf x); {answer}
  elif [ -e "$p" ]; then row "$p" other; else row "$p" absent; fi
done""",
            keys=tuple(wants),
            answer=_OWNED if owners else sh('row "$p" link "${{g%x}}"'),
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
            case ("link", target, user, group):
                return LinkSeen(there=True, target=target, user=user, group=group)
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
        owners = want.whose.differs(found.user, found.group)
        return Change(name, "update", "its owner differs", owners) if owners else None

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
{give}mv -fT -- "$staging"/{name} {key}""",
                refuse=refuse,
                give=_given(key, want),
                key=key,
                name=staged(key),
                target=want.target,
            ),
            guard=sh(
                '[ -L {key} ] && [ "$(readlink -n -- {key})" = {target} ]{owned}',
                key=key,
                target=want.target,
                owned=sh(" && {is_at}", is_at=want.whose.is_at(key)) if want.whose else sh(""),
            ),
        )


_OWNED = sh('u=$(stat -c %U:%G -- "$p"); row "$p" link "${{g%x}}" "${{u%%:*}}" "${{u#*:}}"')


def _given(key: str, want: LinkWanted) -> Sh:
    if not want.whose:
        return sh("")
    return sh('set -- "$staging"/{name}\n{change}\n', name=staged(key), change=want.whose.change)
