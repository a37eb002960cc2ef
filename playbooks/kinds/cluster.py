"""PostgreSQL's clusters: how many connections they have, for all customers of a server together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import postgres
from playbooks.kinds.places import malformed
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe_line

_NAME = re.compile(r"postgresql(?:@([0-9]+)-([A-Za-z0-9_.-]+))?")
FILE = "conf.d/crmhost.conf"
"""Where the number is written, below the folder of a cluster's settings."""


@dataclass(frozen=True, slots=True)
class ClusterWanted:
    """At least so many connections at once. restart: no customer would notice that PostgreSQL starts anew.

    It knows the number from its start on, so without a restart the next one brings it.
    """

    connections: int
    restart: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no number of connections; raises ValueError."""
        if self.connections < 1:
            raise ValueError(f"{self.connections}: a cluster has at least one connection")


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """What the settings of each cluster say, by their folder; 0: nothing, so PostgreSQL's own number counts."""

    connections: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ClusterKind:
    """Keys are names of services: `postgresql@15-main` is one cluster, `postgresql` all there are. None is removed."""

    name: str = "cluster"
    account: Account = "root"

    def ask(self, wants: Mapping[str, ClusterWanted | None]) -> Sh:
        """Print a row KEY '' '', and a row KEY FOLDER CONNECTIONS for each cluster; the last setting is what counts."""
        return lines(
            *(
                sh(
                    """\
row {key} '' ''
for u in {folders}; do
  [ -f "$u/postgresql.conf" ] || continue
  row {key} "$u" "$({number})"
done""",
                    key=key,
                    folders=_folders(key),
                    number=_number(),
                )
                for key in wants
            )
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, ClusterSeen]:
        """Return what the settings say; raises HostError for a row of another shape."""
        found: dict[str, dict[str, int]] = {}
        for row in rows:
            match row:
                case (key, "", ""):
                    found[key] = {}
                case (key, folder, number) if key in found and re.fullmatch("[0-9]*", number):
                    found[key][folder] = int(number or 0)
                case _:
                    raise malformed(self.name, row)
        return {key: ClusterSeen(numbers) for key, numbers in found.items()}

    def diff(self, key: str, want: ClusterWanted | None, seen: ClusterSeen | None) -> Change | None:
        """Return what would change."""
        name = f"{self.name}:{safe_line(key)}"
        if want is None:
            return None
        if seen is None or not seen.connections:
            return Change(name, "create", "PostgreSQL is not installed yet", (f"+ {want.connections} connections",))
        short = {folder: number for folder, number in seen.connections.items() if number < want.connections}
        if not short:
            return None
        lines = (f"{safe_line(folder)}: {number} -> {want.connections}" for folder, number in short.items())
        when = "no customer is there yet: it starts anew" if want.restart else "from its next start on"
        return Change(name, "update", "it has connections for few customers", (*lines, when))

    def act(self, key: str, want: ClusterWanted | None, seen: ClusterSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Write the number in a file of its own; start PostgreSQL anew where that is wanted and nobody is connected."""
        if want is None:
            return Act(Sh("true"), guard=Sh("true"))
        number = str(want.connections)
        return Act(
            sh(
                """\
for u in {folders}; do
  [ -f "$u/postgresql.conf" ] || continue
  n=$({now})
  [ "${{n:-0}}" -lt {number} ] || continue
  [ -d "$u"/conf.d ] || install -d -m 755 "$u"/conf.d
  printf 'max_connections = %s\\n' {number} >"$u"/{file}.part
  chmod 644 "$u"/{file}.part
  mv -fT -- "$u"/{file}.part "$u"/{file}
{restart}
done""",
                folders=_folders(key),
                now=_number(),
                number=number,
                file=FILE,
                restart=_restart() if want.restart else Sh("  :"),
            ),
            guard=sh(
                """\
k=no
for u in {folders}; do
  [ -f "$u/postgresql.conf" ] || continue
  n=$({now})
  if [ "${{n:-0}}" -lt {number} ]; then k=no; break; fi
  k=yes
done
[ "$k" = yes ]""",
                folders=_folders(key),
                now=_number(),
                number=number,
            ),
        )


def _folders(key: str) -> Sh:
    """Return the word of the folders with settings that a key names."""
    found = _NAME.fullmatch(key)
    if found is None:
        raise ValueError(f"cluster:{safe_line(key)}: a name is `postgresql` or `postgresql@VERSION-NAME`")
    version, name = found.groups()
    return Sh("/etc/postgresql/*/*") if version is None else sh("{folder}", folder=f"/etc/postgresql/{version}/{name}")


def _number() -> Sh:
    """Return the words that print what the settings in `$u` say at last."""
    return sh(
        """\
cat "$u"/postgresql.conf "$u"/conf.d/*.conf 2>/dev/null | \
sed -n 's/^[[:space:]]*max_connections[[:space:]]*=\\{{0,1\\}}[[:space:]]*\\([0-9]\\{{1,\\}}\\).*/\\1/p' | tail -n 1"""
    )


def _restart() -> Sh:
    """Return what starts the cluster in `$u` anew, unless somebody is connected, or another cluster may be asked."""
    others = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    return sh(
        """\
  set -- /etc/postgresql/*/*/postgresql.conf
  n=$({others} 2>/dev/null) || n=0
  v=${{u%/*}}
  if [ "$#" = 1 ] && [ "$n" = 0 ]; then systemctl try-restart -- "postgresql@${{v##*/}}-${{u##*/}}"; fi""",
        others=postgres.run(others),
    )
