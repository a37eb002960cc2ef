"""The site that served before another one: kept until that one is proven, so that going back is whole.

Kept are nginx's file, everything in `tls/`, what nginx hands out to trust, and what renews the certificate. While they
are kept, the contract's site has not passed its gate. Whoever is killed meanwhile leaves them to the next deploy.
"""

from __future__ import annotations

import hashlib

from playbooks.kinds.site import FOLDER as SITES
from playbooks.kinds.unit import FOLDER as UNITS
from playbooks.kinds.unit import RECORDS
from playbooks.lan import acme
from playbooks.lan.layout import Layout
from playbooks.shell import Sh, sh


def site_file(layout: Layout) -> str:
    """Return the file in which nginx reads the contract's site."""
    return f"{SITES}/crmhost-{layout.contract}.conf"


def keep(layout: Layout, text: str) -> Sh:
    """Return the script that keeps what serves, where that is not this text already and nothing is kept yet."""
    return sh(
        """\
if [ ! -d {before} ] && [ -f {site} ] && [ "$(sha256sum <{site})" != {same} ]; then (
  set -e
  rm -rf {new}
  mkdir -m 700 {new} {new}/tls {new}/units
  for f in {tls}/*; do [ ! -f "$f" ] || cp -p -- "$f" {new}/tls/; done
  for f in {units}; do [ ! -f "$f" ] || cp -p -- "$f" {new}/units/; done
  [ ! -f {authority} ] || cp -p -- {authority} {new}/authority
  cp -p -- {site} {new}/site
  sync {new}/*/* {new}/* 2>/dev/null || sync
  mv -T -- {new} {before}
) fi""",
        before=layout.before,
        new=f"{layout.before}.new",
        site=site_file(layout),
        same=f"{hashlib.sha256(text.encode()).hexdigest()}  -",
        tls=layout.tls,
        units=[f"{UNITS}/{unit}" for unit in _units(layout)],
        authority=acme.root_file(layout),
    )


def kept(layout: Layout) -> Sh:
    """Return the script that prints nginx's file as it was; nothing where nothing is kept."""
    return sh("[ ! -d {before} ] || cat -- {before}/site", before=layout.before)


def put_back(layout: Layout) -> Sh:
    """Return the script that puts back all but nginx's file; where that is the same, nginx reads the others anew."""
    service, timer = _units(layout)
    return sh(
        """\
set -e
cd
for f in {before}/tls/*; do [ ! -f "$f" ] || cp -p -- "$f" {tls}/".back.${{f##*/}}"; done
for f in {before}/tls/*; do [ ! -f "$f" ] || mv -fT -- {tls}/".back.${{f##*/}}" {tls}/"${{f##*/}}"; done
rm -f -- {authority}.new
if [ -f {before}/authority ]; then cp -p -- {before}/authority {authority}.new; mv -fT -- {authority}.new {authority}
else rm -f -- {authority}; fi
for u in {timer} {service}; do
  if [ -f {before}/units/"$u" ]; then cp -p -- {before}/units/"$u" {folder}/"$u"
  elif [ -e {folder}/"$u" ]; then systemctl disable --quiet --now -- "$u" || true; rm -f -- {folder}/"$u"
  else continue; fi
  rm -f -- {records}/"$u"
done
systemctl daemon-reload
[ ! -f {folder}/{timer} ] || systemctl enable --quiet --now -- {timer}
if cmp -s -- {before}/site {site} && systemctl is-active --quiet nginx; then nginx -t -q; systemctl reload nginx; fi""",
        before=layout.before,
        tls=layout.tls,
        authority=acme.root_file(layout),
        service=service,
        timer=timer,
        folder=UNITS,
        records=RECORDS,
        site=site_file(layout),
    )


def forget(layout: Layout) -> Sh:
    """Return the script that forgets what was kept: what serves now is proven, or is that."""
    return sh("rm -rf -- {folders}", folders=layout.unproven)


def _units(layout: Layout) -> tuple[str, str]:
    return acme.unit(layout), acme.unit(layout, "timer")
