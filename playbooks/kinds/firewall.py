"""What a host lets in: one table of nftables that is crmhost's own, replaced as a whole in one transaction.

Tables of others stay as they are, and what either drops is dropped. A unit of its own loads it before the network is
up, and again after the host's `nftables` service was restarted or reloaded, which empties everything.

What is loaded is compared with what was loaded last, so that a rule which somebody took out by hand is found.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crm.errors import HostError
from crm.plan import Change
from playbooks.kind import Account, Act, Put, Row
from playbooks.kinds import places
from playbooks.kinds.nftables import FirewallWanted, unit_text
from playbooks.paths import staged
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

RECORDS = ".crmhost/.firewalls"  # below the home folder; no contract's name begins with a dot
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


@dataclass(frozen=True, slots=True)
class FirewallSeen:
    """What there is, by digests. live: of the table in the kernel; loaded: of file and table when it was loaded last.

    tool: the host has nft. unit: of what loads it; boot: that is enabled. client, port: of this very connection, empty
    and 0 where it cannot be told.
    """

    tool: bool
    file: str = ""
    live: str = ""
    loaded: tuple[str, str] = ("", "")
    unit: str = ""
    boot: bool = False
    client: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class FirewallKind:
    """Keys are names of tables of the family inet. Not wanted: the table goes, and everything that it dropped comes in.

    The rules are in /etc/KEY-firewall.nft, and KEY-firewall.service loads them.
    """

    name: str = "firewall"
    account: Account = "root"

    def ask(self, wants: Mapping[str, FirewallWanted | None]) -> Sh:
        """Print a row KEY yes|no FILE LIVE LOADED-FILE LOADED-LIVE UNIT BOOT CONNECTION for each."""
        return sh(
            """\
{connection}
digest() {{ h=; [ ! -f "$1" ] || {{ h=$(sha256sum -- "$1"); h=${{h%% *}}; }}; }}
x=no; command -v nft >/dev/null 2>&1 && x=yes
for p in {keys}; do
  l=; y=; z=; b=no
  digest "/etc/$p-firewall.nft"; f=$h
  digest "/etc/systemd/system/$p-firewall.service"; u=$h
  t=$(nft -s list table inet "$p" 2>/dev/null) && l=$(printf '%s\\n' "$t" | sha256sum) && l=${{l%% *}}
  [ ! -f {records}/"$p" ] || read -r y z <{records}/"$p"
  systemctl is-enabled --quiet -- "$p-firewall.service" 2>/dev/null && b=yes
  row "$p" "$x" "$f" "$l" "$y" "$z" "$u" "$b" "$c"
done""",
            connection=_CONNECTION,
            keys=tuple(_checked(key) for key in wants),
            records=RECORDS,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, FirewallSeen]:
        """Return what there is; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> FirewallSeen:
        match row[1:]:
            case ("yes" | "no" as tool, file, live, *loaded, unit, "yes" | "no" as boot, connection) if (
                len(loaded) == 2
            ):
                client, port = _ends(connection)
                record = (loaded[0], loaded[1])
                return FirewallSeen(tool == "yes", file, live, record, unit, boot == "yes", client, port)
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: FirewallWanted | None, seen: FirewallSeen | None) -> Change | None:
        """Return what would change; raises HostError when the connection that asks would not be let in again."""
        name, there = f"{self.name}:{_checked(key)}", seen or FirewallSeen(tool=False)
        if want is None:
            gone = not (there.live or there.file or there.unit)
            return None if gone else Change(name, "delete", "it is not wanted")
        found = _difference(key, want, there)
        if found is None:
            return None
        if not there.client or not want.lets_in(there.client, there.port):
            raise _locked_out(name, there)
        action: Literal["create", "update"] = "update" if there.live else "create"
        return Change(name, action, found, tuple(f"+ {opening}" for opening in want.openings))

    def act(self, key: str, want: FirewallWanted | None, seen: FirewallSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Prove the rules, put them where they are loaded from, and load them in one transaction."""
        table = _checked(key)
        names = {"table": table, "file": f"/etc/{table}-firewall.nft", "unit": f"{table}-firewall.service"}
        if want is None:
            return Act(sh(_REMOVE, **names, record=f"{RECORDS}/{table}"))
        rules, unit = f"{staged(key)}.nft", f"{staged(key)}.unit"
        act = sh(
            _LOAD,
            **names,
            rules=rules,
            unit_file=unit,
            digest=want.digest(table),
            records=RECORDS,
            record=f"{RECORDS}/{table}",
        )
        return Act(act, (Put(rules, want.text(table).encode()), Put(unit, unit_text(table).encode())))


def _difference(key: str, want: FirewallWanted, seen: FirewallSeen) -> str | None:
    if not seen.tool:
        return "nftables is not installed yet"
    if not seen.live:
        return "it is not loaded"
    if seen.file != want.digest(key):
        return "its rules differ"
    if seen.loaded != (seen.file, seen.live):
        return "what is loaded is not what crmhost loaded"
    if seen.unit != hashlib.sha256(unit_text(key).encode()).hexdigest() or not seen.boot:
        return "it would not come back with the host, or not so"
    return None


def _locked_out(name: str, seen: FirewallSeen) -> HostError:
    if not seen.client:
        return HostError(
            f"{name}: it cannot be told from where this connection comes, so it might be locked out",
            "Connect with OpenSSH's server on the host, which says so in SSH_CONNECTION.",
        )
    return HostError(
        f"{name}: this connection comes from {safe_line(seen.client)} to port {seen.port}, which would be closed to it",
        "Let that port be open to this address, or to the network that it is in.",
    )


def _ends(connection: str) -> tuple[str, int]:
    """Return the client's address and the server's port of SSH_CONNECTION; nothing where it says none."""
    match connection.split(" "):
        case (client, _, _, port) if port.isascii() and port.isdecimal():
            try:
                ipaddress.ip_address(client.partition("%")[0])
            except ValueError:
                return "", 0
            return client, int(port)
        case _:
            return "", 0


def _checked(key: str) -> str:
    if not _NAME.fullmatch(key):
        raise ValueError(f"firewall:{safe_line(key)}: a name has 1 to 31 small letters, digits and _, a letter first")
    return key


_CONNECTION = sh(
    """\
c=$SSH_CONNECTION; q=$$
while [ -z "$c" ] && [ "${{q:-0}}" -gt 1 ]; do
  c=$(tr '\\0' '\\n' 2>/dev/null <"/proc/$q/environ" | sed -n 's/^SSH_CONNECTION=//p;' | head -n 1)
  q=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$q/status" 2>/dev/null)
done"""
)
"""sudo keeps no SSH_CONNECTION; the log-in's own process, which is above it, still has it."""

_LOAD = """\
command -v nft >/dev/null 2>&1 || {{ echo 'nftables is not installed'; exit 1; }}
nft -c -f "$staging"/{rules}
mkdir -p -- {records}
rm -f -- {record}
chown root:root "$staging"/{rules} "$staging"/{unit_file}
chmod 644 "$staging"/{unit_file}
mv -fT -- "$staging"/{rules} {file}
mv -fT -- "$staging"/{unit_file} /etc/systemd/system/{unit}
systemctl daemon-reload
systemctl enable --quiet {unit}
systemctl reload-or-restart {unit} || {{ journalctl -u {unit} -n 20 --no-pager -o cat; exit 1; }}
live=$(nft -s list table inet {table} | sha256sum)
printf '%s %s\\n' {digest} "${{live%% *}}" >"$staging/.loaded"
sync "$staging/.loaded" 2>/dev/null || sync
mv -f -- "$staging/.loaded" {record}"""

_REMOVE = """\
if [ -e /etc/systemd/system/{unit} ]; then systemctl disable --quiet --now {unit}; fi
if nft list table inet {table} >/dev/null 2>&1; then nft delete table inet {table}; fi
rm -f -- {file} /etc/systemd/system/{unit} {record}
systemctl daemon-reload"""
