"""A site's certificate that a unit of the host gets and renews by itself, with its key in one file, which is root's.

Beside it, `.by` says what the unit was told when it got it: another authority or another name is a change.
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

RENEWED = 3
"""A certificate is renewed in the last third of its time."""
LATE = 6
"""In its last sixth it should have been renewed long ago, and a plan says so."""
LINES = 40  # of the unit's journal, that are shown where it gets none
_PROBLEM = re.compile(r"urn:ietf:params:acme:error:(\w+) :: ([^\n]+)")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True)
class CertificateWanted:
    """host: the name it is for. by: what the unit is told, as a digest; authority: the same for people.

    unit: the service that gets it, or does nothing where none is due; log: the file in which its client says more.
    """

    host: str
    by: str
    authority: str
    unit: str
    log: str

    def __post_init__(self) -> None:
        """Refuse what is no host's name; raises ValueError."""
        if not _HOST.fullmatch(self.host):
            raise ValueError(f"{self.host!r}: a certificate by ACME is for a name")


@dataclass(frozen=True, slots=True)
class CertificateSeen:
    """What there is. since, until, now: seconds since 1970, by the host; None: it cannot be read.

    fits: it is for the name that is wanted.
    """

    there: bool
    now: int
    by: str = ""
    since: int | None = None
    until: int | None = None
    fits: bool = False


@dataclass(frozen=True, slots=True)
class CertificateKind:
    """Keys are absolute paths. Not wanted: the file goes, with its key."""

    name: str = "certificate"
    account: Account = "root"

    def ask(self, wants: Mapping[str, CertificateWanted | None]) -> Sh:
        """Print a row KEY absent|there BY SINCE UNTIL yes|no NOW for each."""
        pairs = [word for key, want in wants.items() for word in (key, want.host if want else "-")]
        return sh(
            """\
dated() {{
  t=$(openssl x509 -noout "-$1date" -in "$p" 2>/dev/null) || return 0
  date -d "${{t#*=}}" +%s 2>/dev/null || true
}}
set -- {pairs}
while [ "$#" -gt 1 ]; do
  p=$1; k=absent; b=; f=; u=; h=no
  if [ -s "$p" ]; then
    k=there; f=$(dated start); u=$(dated end)
    [ ! -f "$p.by" ] || read -r b <"$p.by" || true
    case $(openssl x509 -noout -checkhost "$2" -in "$p" 2>/dev/null) in *'does match'*) h=yes ;; esac
  fi
  row "$p" "$k" "$b" "$f" "$u" "$h" "$(date +%s)"
  shift 2
done""",
            pairs=pairs,
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, CertificateSeen]:
        """Return what there is; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> CertificateSeen:
        match row[1:]:
            case ("absent" | "there" as sort, by, since, until, "yes" | "no" as fits, now) if now.isdecimal():
                return CertificateSeen(sort == "there", int(now), by, _seconds(since), _seconds(until), fits == "yes")
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: CertificateWanted | None, seen: CertificateSeen | None) -> Change | None:
        """Return what would change; one that ends soon, too, since the host should have renewed it."""
        name, there = f"{self.name}:{key}", seen or CertificateSeen(there=False, now=0)
        if want is None:
            return Change(name, "delete", "it is not wanted") if there.there else None
        if not there.there:
            return Change(name, "create", "it is not there", (f"+ for {want.host}, by {want.authority}",))
        why = _wrong(want, there)
        return None if why is None else Change(name, "update", why, (f"+ by {want.authority}",))

    def act(self, key: str, want: CertificateWanted | None, seen: CertificateSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Let the unit get one, whatever it thinks of the one there is; that stays where it fails."""
        if want is None:
            return Act(sh("rm -f -- {key} {by}", key=key, by=f"{key}.by"))
        return Act(sh(_GET, by=f"{key}.by", unit=want.unit, log=want.log, lines=LINES))


def _wrong(want: CertificateWanted, seen: CertificateSeen) -> str | None:
    """Return what is wrong with a certificate that is there, or None."""
    if seen.since is None or seen.until is None:
        return "it cannot be read"
    if not seen.fits:
        return f"it is not for {want.host}"
    if seen.by != want.by:
        return "it was got from another authority, or for something else"
    if seen.until <= seen.now:
        return "it has ended, and the server has not renewed it"
    if (seen.until - seen.now) * LATE < seen.until - seen.since:
        return f"it ends in {_time(seen.until - seen.now)}, and the server should have renewed it by itself"
    return None


def _time(seconds: int) -> str:
    """Return a length for people, rounded down."""
    size, word = next(((n, w) for n, w in ((86_400, "day"), (3600, "hour")) if seconds >= n), (60, "minute"))
    count = seconds // size
    return f"{count} {word}{'' if count == 1 else 's'}"


def _seconds(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def found(text: str) -> tuple[str, str] | None:
    """Return what an ACME authority complained of, as the client prints it: its sort and its own words. Pure."""
    match = re.search(r"Type:\s*(\S+)\s+Detail:\s*([^\n]+)", text) or _PROBLEM.search(text)
    match = match or re.search(r"An unexpected error occurred:()\n([^\n]+)", text)
    return None if match is None else (match[1], safe_line(match[2], 400))


_GET = """\
rm -f -- {by}
systemctl reset-failed -- {unit} 2>/dev/null || true
systemctl start -- {unit} && exit 0
journalctl --sync 2>/dev/null || true
run=$(systemctl show -p InvocationID --value -- {unit})
journalctl "_SYSTEMD_INVOCATION_ID=$run" + "INVOCATION_ID=$run" -n {lines} -o cat --no-pager -q 2>&1 || true
grep -s 'urn:ietf:params:acme:error:[a-zA-Z]* :: ' {log} | tail -n 1 || true
exit 1"""
