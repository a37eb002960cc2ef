"""What the driver must know of a server and of a contract's place on it, before it can say what is wanted there.

Two kinds that only ask: `place` (releases, who serves, whose ports are taken, what the server is) and `record` (the
steps in the customer's database). Neither is ever converged by a batch.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crm.errors import HostError
from crm.records import parse
from crm.sql import script
from crm.steps import Records
from playbooks import kept
from playbooks.kind import Account, Row
from playbooks.kinds.places import malformed
from playbooks.kinds.site import FOLDER as SITES
from playbooks.lan.asuser import psql
from playbooks.lan.firewall import Asked, decode_asked
from playbooks.lan.layout import SOCKETS, Layout
from playbooks.lan.names import Names, read_names
from playbooks.looking import Looks
from playbooks.shell import Sh, sh

_SAID = frozenset(
    {"serving", "release", "firewall", "names", "unsettled", "listen", "port", "systemd", "cluster", "clock"}
)
_NO_DATABASE = re.compile(r'(database|role) ".*" does not exist|could not connect|connection to server .* failed')


@dataclass(frozen=True, slots=True)
class Server:
    """What the server is.

    systemd: its version. cluster: of PostgreSQL, as (version, name, port); None: none yet. clock: a program that keeps
    the time is there already, or the host of a container does. listening: loopback ports.
    """

    systemd: int
    cluster: tuple[str, str, str] | None
    clock: bool
    listening: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Place(kept.Place):
    """What lies in the contract's folder, what the server is, and what its other customers need.

    taken: ports of others' releases; firewalls: what the others ask of the firewall, names: what their sites are
    called, by contract. unsettled: the site that served before is kept, since the one that is there is not proven.
    """

    server: Server
    taken: frozenset[int] = frozenset()
    firewalls: Mapping[str, Asked] = field(default_factory=dict)
    names: Mapping[str, Names] = field(default_factory=dict)
    unsettled: bool = False

    @property
    def settled(self) -> bool:
        """Tell whether the site is the one that was proven with the release."""
        return not self.unsettled


@dataclass(frozen=True, slots=True)
class PlaceKind(Looks):
    """Reads the contract's folder and the server."""

    name: str = "place"
    account: Account = "root"

    def ask(self, wants: Mapping[str, Layout]) -> Sh:
        """Print rows KEY WHAT VALUE…, for one contract."""
        ((key, layout),) = wants.items()
        return sh(
            """\
row {key} serving "$(readlink {current} 2>/dev/null)"
[ ! -d {before} ] || row {key} unsettled
for u in {releases}/*/; do
  [ -d "$u" ] || continue
  u=${{u%/}}
  row {key} release "${{u##*/}}" "$(cat "$u/release.json" 2>/dev/null)" "$(cat "$u/proven" 2>/dev/null)"
done
y='s/^ *listen \\([0-9][0-9]*\\)[ ;].*/\\1/p; s/^ *server_name \\(.*\\);$/\\1/p'
for u in {customers}/*/; do
  u=${{u%/}}; [ "$u" != {root} ] && [ -d "$u" ] || continue
  row {key} firewall "${{u##*/}}" "$(cat "$u/firewall.json" 2>/dev/null)"
  row {key} names "${{u##*/}}" "$(sed -n "$y" {sites}/crmhost-"${{u##*/}}".conf 2>/dev/null)"
  for v in "$u"/releases/*/release.json; do
    [ ! -f "$v" ] || row {key} listen "$(sed -n 's/^ "listen": "[^"]*:\\([0-9]*\\)".*/\\1/p' "$v")"
  done
done
for u in /proc/net/tcp /proc/net/tcp6; do
  [ -r "$u" ] || continue
  while read -r j a b c d; do case $c in 0A) row {key} port "${{a##*:}}" ;; esac; done <"$u"
done
row {key} systemd "$(systemctl --version 2>/dev/null | head -n 1)"
for u in /etc/postgresql/*/*/postgresql.conf; do
  [ -f "$u" ] || continue
  v=$(sed -n 's/^[[:space:]]*port[[:space:]]*=[[:space:]]*\\([0-9]*\\).*/\\1/p' "$u")
  u=${{u%/postgresql.conf}}; k=down; [ ! -S {sockets}/.s.PGSQL."$v" ] || k=up
  w=${{u%/*}}; row {key} cluster "${{w##*/}}" "${{u##*/}}" "$v" "$k"
done
if systemd-detect-virt -c >/dev/null 2>&1; then row {key} clock container; fi
for t in chronyd ntpd openntpd; do
  if command -v "$t" >/dev/null 2>&1; then row {key} clock "$t"; fi
done""",
            key=key,
            current=layout.current,
            before=layout.before,
            releases=layout.releases,
            customers=layout.customers,
            root=layout.root,
            sockets=SOCKETS,
            sites=SITES,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, Place]:
        """Return the place; raises HostError for a row of another shape."""
        if not rows:
            return {}
        said: dict[str, list[Row]] = {}
        for row in rows:
            if len(row) < 2 or row[1] not in _SAID:
                raise malformed(self.name, row)
            said.setdefault(row[1], []).append(row)
        try:
            return {rows[0][0]: _place(rows[0][0], said)}
        except (LookupError, ValueError) as error:
            raise malformed(self.name, rows[0]) from error


def _place(key: str, said: Mapping[str, Sequence[Row]]) -> Place:
    ((_, _, link),) = said["serving"]
    whole, torn = kept.sorted_out(key, [(name, text, proven) for _, _, name, text, proven in said.get("release", ())])
    taken = {int(port) for _, _, port in said.get("listen", ()) if port.isdecimal()}
    asked = {who: decode_asked(text, who) for _, _, who, text in said.get("firewall", ())}
    return Place(
        posixpath.basename(link) or None,
        whole,
        torn,
        _server(said),
        frozenset(taken),
        {who: one for who, one in asked.items() if one is not None},
        {who: read_names(text) for _, _, who, text in said.get("names", ())},
        "unsettled" in said,
    )


def _server(said: Mapping[str, Sequence[Row]]) -> Server:
    ((_, _, version),) = said["systemd"]
    found = re.match(r"systemd (\d+)", version)
    return Server(
        systemd=int(found[1]) if found else 0,
        cluster=_cluster([row[2:] for row in said.get("cluster", ())]),
        clock="clock" in said,
        listening=frozenset(int(port, 16) for _, _, port in said.get("port", ())),
    )


def _cluster(rows: Sequence[Row]) -> tuple[str, str, str] | None:
    """Return version, name and port of the cluster to use: one that is up, else the first."""
    best = next((row for row in rows if row[3] == "up"), rows[0] if rows else None)
    if best is None:
        return None
    version, name, port, _ = best
    return version, name, str(int(port))


@dataclass(frozen=True, slots=True)
class RecordWanted:
    """The customer's database, by its layout and PostgreSQL's port, and the template that it would begin as."""

    layout: Layout
    port: str
    template: str


@dataclass(frozen=True, slots=True)
class RecordSeen:
    """What the database says, None where there is none; template: it would begin as one that was initialised."""

    records: Records | None
    template: bool


@dataclass(frozen=True, slots=True)
class RecordKind(Looks):
    """Reads the records of a contract's steps, as the customer's own user: the database is in that one's hands."""

    name: str = "record"
    account: Account = "root"

    def ask(self, wants: Mapping[str, RecordWanted]) -> Sh:
        """Print a row KEY STATE TEXT TEMPLATE; the state is `none`, `read` or `failed`."""
        ((key, want),) = wants.items()
        return sh(
            """\
k=none; t=; s=
[ ! -s {seed} ] || s=template
if getent passwd {user} >/dev/null && command -v psql >/dev/null 2>&1; then
  if t=$(printf '%s\\n' {script} | {psql} 2>&1); then k=read; else k=failed; fi
fi
row {key} "$k" "$t" "$s\"""",
            key=key,
            seed=want.template,
            user=want.layout.user,
            script=script("records"),
            psql=sh("{words}", words=psql(want.layout, want.port)),
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, RecordSeen]:
        """Return the records; raises HostError when a database is there and cannot be read."""
        seen: dict[str, RecordSeen] = {}
        for row in rows:
            match row:
                case (key, "none", _, template):
                    seen[key] = RecordSeen(None, bool(template))
                case (key, "read", text, template):
                    seen[key] = RecordSeen(parse(text, key), bool(template))
                case (key, "failed", text, template) if _NO_DATABASE.search(text):
                    seen[key] = RecordSeen(None, bool(template))
                case (key, "failed", text, _):
                    raise HostError(
                        f"{key}: its records of steps could not be read: {json.dumps(text[-400:])}",
                        "Look at the database; nothing was changed.",
                    )
                case _:
                    raise malformed(self.name, row)
        return seen
