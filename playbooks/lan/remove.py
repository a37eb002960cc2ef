"""What leaves a server with a contract, or when what is on it is to be derived or started anew."""

from __future__ import annotations

from collections.abc import Sequence

from crm.sql import script
from playbooks.kinds.parcel import SUMS
from playbooks.kinds.unit import RECORDS
from playbooks.kinds.upstream import FOLDER as UPSTREAMS
from playbooks.lan import acme
from playbooks.lan.asuser import psql
from playbooks.lan.layout import BASE, PARCELS, Layout
from playbooks.leaving import left_but_data
from playbooks.shell import Sh, lines, sh

_DRAIN = 60  # seconds that requests which nginx passed on before the switch have to end, at the most


def drain(ports: Sequence[int]) -> Sh:
    """Return the script that waits until no request is under way to any of these loopback ports.

    It begins with a moment's wait: for nginx to connect where it saw the link lead before it was switched.
    """
    theirs = "|".join(f"{port:04X}" for port in ports)
    return sh(
        """\
n=0
while [ "$n" -lt {tries} ]; do
  sleep 0.2
  if ! grep -Eqs {established} /proc/net/tcp; then break; fi
  n=$((n + 1))
done""",
        tries=_DRAIN * 5,
        established=f"^ *[0-9]+: [0-9A-F]{{8}}:({theirs}) [0-9A-F]{{8}}:[0-9A-F]{{4}} 01 ",
    )


def forget(layout: Layout, release_id: str, port: str) -> Sh:
    """Return the script that forgets what was derived for a release, so that it is derived anew with its folder."""
    return sh(
        "printf '%s\\n' {script} | {psql} --set=release={release}",
        script=script("forget"),
        psql=sh("{words}", words=psql(layout, port)),
        release=release_id,
    )


def stale(names: Sequence[str]) -> Sh:
    """Return shell after which nobody knows what the units were started from, so that they are restarted.

    It runs before a file of theirs is changed: however the operation ends, the next plan knows it too.
    """
    return sh("cd && rm -f -- {records}", records=[f"{RECORDS}/{name}" for name in names])


def end_units(layout: Layout) -> Sh:
    """Return the script that ends and removes units of the contract that no release on the server names.

    Among them are folders: somebody's drop-ins (`systemctl edit`).
    """
    return sh(
        """\
for f in /etc/systemd/system/{units}; do
  [ -e "$f" ] || continue
  u=${{f##*/}}
  systemctl disable --quiet --now -- "$u" || true
  rm -rf -- "$f"
done
systemctl daemon-reload
systemctl reset-failed -- {pattern} 2>/dev/null || true""",
        units=Sh(layout.units),
        pattern=layout.units,
    )


def drop_folders(layout: Layout, *, keep_data: bool) -> Sh:
    """Return the script that removes the contract's folders, and crmhost's own where no other customer is left."""
    gone = (
        sh("[ ! -d {root} ] || find {root} -mindepth 1 -maxdepth 1 ! -name data -exec rm -rf {{}} +", root=layout.root)
        if keep_data
        else sh("rm -rf {root}", root=layout.root)
    )
    return lines(
        gone,
        acme.drop(layout),
        sh(
            "rm -rf {runs} {authority} {parcel} {sums}\nrmdir {parcels} 2>/dev/null || true",
            runs=layout.runs,
            authority=f"{layout.public}/{layout.contract}.crt",
            parcel=layout.parcel,
            sums=f"{layout.parcel}{SUMS}",
            parcels=PARCELS,
        ),
        sh(
            """\
rmdir {customers} 2>/dev/null || true
if [ ! -d {customers} ]; then
  rm -rf {artifacts} {templates}
  rmdir {public} {upstreams} {base} 2>/dev/null || true
fi""",
            customers=layout.customers,
            artifacts=layout.artifacts,
            templates=layout.templates,
            public=layout.public,
            upstreams=UPSTREAMS,
            base=BASE,
        ),
    )


def drop_engine(layout: Layout) -> Sh:
    """Return the script that removes the lock and the journal, which goes last; and the engine's home, when empty."""
    return sh(
        """\
rm -rf {engine}
cd /
rmdir {above}/.units {above}/.sites {above}/.firewalls {above} {home} {base} 2>/dev/null || true""",
        engine=layout.engine,
        above=layout.engine.rpartition("/")[0],
        home=layout.engine.rpartition("/")[0].rpartition("/")[0],
        base=BASE,
    )


def left_over(layout: Layout, *, keep_data: bool) -> Sh:
    """Return the script that prints what of the contract is still there; nothing is what it should print."""
    whole = sh(
        """\
getent passwd {user} | cut -d: -f1 | sed 's/^/account /'
getent group {user} | cut -d: -f1 | sed 's/^/group /'
if [ -e {root} ]; then find {root} | head -n 20; fi""",
        user=layout.user,
        root=layout.root,
    )
    return lines(
        sh(
            """\
for f in {systemd}/{units} {systemd}/*/{units} {site} {challenge} {upstream} {engine} {runs} {parcel}; do
  if [ -e "$f" ] || [ -L "$f" ]; then printf '%s\\n' "$f"; fi
done
systemctl list-units --all --plain --no-legend -- {pattern} | cut -d' ' -f1
ps -o pid=,args= -u {user} 2>/dev/null | sed 's/^ */process /' | head -n 20""",
            systemd="/etc/systemd/system",
            units=Sh(layout.units),
            pattern=layout.units,
            site=f"/etc/nginx/conf.d/crmhost-{layout.contract}.conf",
            challenge=f"/etc/nginx/conf.d/crmhost-{layout.contract}.challenge.conf",
            upstream=f"{UPSTREAMS}/{layout.contract}",
            engine=layout.engine,
            runs=layout.runs,
            parcel=layout.parcel,
            user=layout.user,
        ),
        left_but_data(layout) if keep_data else whole,
        sh("true"),
    )
