"""nginx's configuration of a site: proved by nginx before it is used, and loaded without breaking off a request.

What nginx was last loaded with is recorded once its new workers run, so a deploy that was killed in between is found by
the next one. Until then the file that worked is kept, and comes back when nginx refuses the new one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crm.plan import Change
from playbooks.kind import Account, Act, Put, Row
from playbooks.kinds import places
from playbooks.kinds.file import keep, kept
from playbooks.paths import staged
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

FOLDER = "/etc/nginx/conf.d"
RECORDS = ".crmhost/.sites"  # below the home folder; no contract's name begins with a dot
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class SiteWanted:
    """A file of nginx's configuration, in its `http` block, which everybody may read.

    keep_aside: a folder for another content that is found there; see `FileWanted`.
    """

    content: str = field(repr=False)
    keep_aside: str = ""

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the file."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SiteSeen:
    """What there is. digest: of the file's content; whole: it is root's, and for all to read.

    loaded: the digest of the content that nginx was last loaded with, as far as crmhost knows.
    """

    there: bool
    digest: str = ""
    whole: bool = False
    loaded: str = ""


@dataclass(frozen=True, slots=True)
class SiteKind:
    """Keys are names; the file is /etc/nginx/conf.d/crmhost-KEY.conf. Not wanted: it goes, and nginx forgets it."""

    name: str = "site"
    account: Account = "root"

    def ask(self, wants: Mapping[str, SiteWanted | None]) -> Sh:
        """Print a row KEY absent|file|other ACCESS DIGEST LOADED for each."""
        return sh(
            """\
for p in {keys}; do
  u={folder}/crmhost-$p.conf; k=absent; w=; h=; z=
  if [ -L "$u" ]; then k=other
  elif [ -f "$u" ]; then
    k=file; w=$(stat -c %a:%U:%G -- "$u"); h=$(sha256sum -- "$u"); h=${{h%% *}}
  elif [ -e "$u" ]; then k=other; fi
  [ ! -f {records}/"$p" ] || read -r z <{records}/"$p"
  row "$p" "$k" "$w" "$h" "$z"
done""",
            keys=tuple(_checked(key) for key in wants),
            folder=FOLDER,
            records=RECORDS,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, SiteSeen]:
        """Return what there is; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> SiteSeen:
        match row[1:]:
            case ("absent" | "file" | "other" as sort, access, digest, loaded):
                return SiteSeen(sort != "absent", digest, access == "644:root:root", loaded)
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: SiteWanted | None, seen: SiteSeen | None) -> Change | None:
        """Return what would change. nginx goes on with the requests that it has, so nothing is disrupted."""
        name, there = f"{self.name}:{_checked(key)}", seen or SiteSeen(there=False)
        if want is None:
            if there.there:
                return Change(name, "delete", "it is not wanted", disrupts="outage")
            return Change(name, "update", "nginx may still have it loaded") if there.loaded else None
        if not there.there:
            return Change(name, "create", "it is not there")
        if there.digest != want.digest:
            aside = kept(want.keep_aside) if there.digest not in {"", there.loaded} else ()
            return Change(name, "update", "its content differs", aside)
        if there.loaded != want.digest:
            return Change(name, "update", "nginx runs without it, or whether it does is not known")
        return None if there.whole else Change(name, "update", "its mode or owner differs")

    def act(self, key: str, want: SiteWanted | None, seen: SiteSeen | None) -> Act:
        """Put the file in place, let nginx prove it and load it; on a failure the one that worked comes back."""
        file = f"{FOLDER}/crmhost-{_checked(key)}.conf"
        puts = () if want is None else (Put(staged(key), want.content.encode()),)
        change = sh('rm -f -- "$file"') if want is None else sh(_PUT, name=staged(key))
        ours = "" if seen is None else seen.loaded
        aside = keep(file, want.keep_aside, staged(key), ours) if want is not None and want.keep_aside else sh(":")
        act = sh(
            _ACT,
            file=file,
            aside=aside,
            records=RECORDS,
            record=f"{RECORDS}/{key}",
            change=change,
            done=sh(":") if want is None else sh("record {digest}", digest=want.digest),
        )
        return Act(act, puts)


def _checked(key: str) -> str:
    if not _NAME.fullmatch(key):
        raise ValueError(
            f"site:{safe_line(key)}: a name has 1 to 100 small letters, digits, _, - and ., and none of the three first"
        )
    return key


_PUT = """\
chown root:root "$staging"/{name}
chmod 644 "$staging"/{name}
mv -fT -- "$staging"/{name} "$file\""""

_ACT = """\
file={file}; record={record}
if [ -d "$file" ]; then echo 'there is a folder in its place; move it away'; exit 1; fi
command -v nginx >/dev/null 2>&1 || {{ echo 'nginx is not installed'; exit 1; }}
mkdir -p -- {records}
record() {{
  printf '%s\\n' "$1" >"$staging/.loaded"
  sync "$staging/.loaded" 2>/dev/null || sync
  mv -f -- "$staging/.loaded" "$record"
}}
save() {{
  [ -f "$file" ] && [ ! -e "$record.worked" ] || return 0
  cat -- "$file" >"$staging/.worked"
  sync "$staging/.worked" 2>/dev/null || sync
  mv -f -- "$staging/.worked" "$record.worked"
}}
back() {{
  rm -f -- "$file"
  [ ! -f "$record.worked" ] || {{ chmod 644 "$record.worked" && mv -f -- "$record.worked" "$file"; }}
}}
workers() {{ grep -l "^PPid:[[:space:]]*$1\\$" /proc/[0-9]*/status 2>/dev/null | tr '\\n' ' '; }}
save
{aside}
rm -f -- "$record"
{change}
if ! nginx -t -q >"$staging/.nginx" 2>&1; then
  back
  cat "$staging/.nginx"
  echo 'nginx refuses it; the configuration that it has stays'
  exit 1
fi
if systemctl is-active --quiet nginx; then
  master=$(systemctl show -p MainPID --value nginx)
  old=$(workers "$master")
  systemctl reload nginx
  n=0
  while :; do
    for w in $(workers "$master"); do case " $old" in *" $w "*) ;; *) break 2 ;; esac; done
    n=$((n + 1))
    if [ "$n" -ge 50 ]; then
      back
      echo 'nginx went on with the configuration that it had; the end of its error log:'
      tail -n 5 /var/log/nginx/error.log 2>&1 || true
      exit 1
    fi
    sleep 0.2
  done
fi
rm -f -- "$record.worked"
{done}"""
