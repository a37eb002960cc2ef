"""Units of systemd that are crmhost's own: the file, whether it starts with the host, and whether it runs.

What a unit was last started from is recorded once it runs: a deploy that was killed between the new file and the
restart, and a hand that changed the file, are found by the next one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from crm.plan import Action, Change, Disrupts
from playbooks.kind import Account, Act, Put, Row
from playbooks.kinds import places, systemd
from playbooks.kinds.file import keep, kept
from playbooks.kinds.systemd import StateSeen
from playbooks.paths import staged
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe_line

FOLDER = "/etc/systemd/system"
RECORDS = ".crmhost/.units"  # below the home folder; no contract's name begins with a dot
_SECTION = "[X-Crmhost]"
_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9:_.\\-]*(@[A-Za-z0-9:_.\\-]+)?\.(service|timer|socket|path|target|slice|mount)"
)
_STAMP = re.compile(r"[A-Za-z0-9._:-]*")


@dataclass(frozen=True, slots=True)
class UnitWanted:
    """A unit's file, which everybody may read, and what becomes of it.

    stamp: a digest of what the unit reads when it starts; another one restarts it. enabled: it starts with the host;
    active: it runs; None: that is left as it is, as for a service that a timer starts. start: seconds that starting may
    take. keep_aside: a folder for another content that is found there; see `FileWanted`.
    """

    content: str = field(repr=False)
    stamp: str = ""
    enabled: bool | None = True
    active: bool | None = True
    start: int = 90
    keep_aside: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a unit's file, or cannot be enabled; raises ValueError."""
        if not self.content.endswith("\n") or "\0" in self.content or _SECTION in self.content:
            raise ValueError(f"a unit's file ends with a newline, and has no NUL and no section {_SECTION} of its own")
        if self.enabled and not re.search(r"^\[Install\]$", self.content, re.MULTILINE):
            raise ValueError("a unit that starts with the host has a section [Install]")
        if not _STAMP.fullmatch(self.stamp):
            raise ValueError(f"{self.stamp!r}: a stamp has letters, digits, ., _, : and - only")

    @property
    def text(self) -> str:
        """Return what the file holds; systemd leaves sections that begin with `X-` alone."""
        return f"{self.content}\n{_SECTION}\nX-Crmhost-Stamp={self.stamp}\n" if self.stamp else self.content

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class UnitSeen:
    """What there is. file: of /etc/systemd/system; digest: of its content; whole: it is root's, and for all to read.

    started: the digest of the file that it was last started from, as far as crmhost knows.
    """

    state: StateSeen
    file: bool = False
    digest: str = ""
    whole: bool = False
    started: str = ""


@dataclass(frozen=True, slots=True)
class UnitKind:
    """Keys are names of units with their ending. Not wanted: it is stopped, disabled and removed."""

    name: str = "unit"
    account: Account = "root"

    def ask(self, wants: Mapping[str, UnitWanted | None]) -> Sh:
        """Print a row KEY LOAD ACTIVE SUB FILE RELOAD absent|file|other WHOLE DIGEST STARTED for each."""
        keys = tuple(_checked(key) for key in wants)
        answer = sh(
            """\
u={folder}/$p; k=absent; w=; h=; z=
if [ -L "$u" ]; then k=other
elif [ -f "$u" ]; then
  k=file; w=$(stat -c %a:%U:%G -- "$u"); h=$(sha256sum -- "$u"); h=${{h#\\\\}}; h=${{h%% *}}
elif [ -e "$u" ]; then k=other; fi
[ ! -f {records}/"$p" ] || read -r z <{records}/"$p"
row "$p" "$l" "$a" "$s" "$f" "$v" "$k" "$w" "$h" "$z\"""",
            folder=FOLDER,
            records=RECORDS,
        )
        return systemd.ask(keys, answer)

    def read(self, rows: Sequence[Row]) -> Mapping[str, UnitSeen]:
        """Return what there is; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> UnitSeen:
        match row[6:]:
            case ("absent" | "file" | "other" as sort, access, digest, started):
                state = systemd.seen(self.name, row[1:6])
                return UnitSeen(state, sort != "absent", digest, access == "644:root:root", started)
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: UnitWanted | None, seen: UnitSeen | None) -> Change | None:
        """Return what would change: the file, then whether it starts with the host, then whether it runs."""
        name, there = f"{self.name}:{_checked(key)}", seen or UnitSeen(StateSeen())
        if want is None:
            disrupts: Disrupts = "outage" if there.state.kept_up else "no"
            return Change(name, "delete", "it is not wanted", disrupts=disrupts) if there.file else None
        difference = _of_file(want, there) or _of_running(want, there)
        boot = _boot(want, there)
        if difference is None:
            return Change(name, "update", "whether it starts with the host differs", boot) if boot else None
        action, why, disrupts = difference
        aside = kept(want.keep_aside) if there.digest not in {"", want.digest, there.started} else ()
        return Change(name, action, why, (*boot, *aside), disrupts)

    def act(self, key: str, want: UnitWanted | None, seen: UnitSeen | None) -> Act:
        """Put the file there, let systemd read it, and make the unit as it should be; see `systemd.started`."""
        unit = _checked(key)
        if want is None:
            return Act(sh(_REMOVE, unit=unit, file=f"{FOLDER}/{unit}", record=f"{RECORDS}/{unit}"))
        there = seen or UnitSeen(StateSeen())
        of_file = _of_file(want, there)
        parts, puts = [], []
        if there.digest != want.digest or not there.whole:
            puts.append(Put(staged(key), want.text.encode()))
            if want.keep_aside:
                parts.append(keep(f"{FOLDER}/{unit}", want.keep_aside, staged(key), there.started))
            if there.digest != want.digest:
                parts.append(sh("rm -f -- {record}", record=f"{RECORDS}/{unit}"))
            parts.append(sh(_PUT, name=staged(key), file=f"{FOLDER}/{unit}"))
        parts.append(sh(_READ, unit=unit))
        if want.enabled is not None:
            parts.append(
                sh("systemctl {verb} --quiet -- {unit}", verb="enable" if want.enabled else "disable", unit=unit)
            )
        if want.active is False:
            parts.append(sh("systemctl stop -- {unit}", unit=unit))
        if want.active and (of_file is not None or _of_running(want, there) is not None):
            parts.append(_run(unit, want))
        return Act(lines(*parts), tuple(puts))


Difference: TypeAlias = tuple[Action, str, Disrupts]


def _of_file(want: UnitWanted, seen: UnitSeen) -> Difference | None:
    """Return what differs of the file, or of what systemd has read of it."""
    if not seen.file:
        return "create", "it is not there", "no"
    disrupts: Disrupts = "restart" if seen.state.kept_up and want.active else "no"
    if seen.digest != want.digest:
        return "update", "its file differs", disrupts
    if not seen.whole:
        return "update", "its file's mode or owner differs", "no"
    return ("update", "systemd has not read its file again", "no") if seen.state.stale else None


def _of_running(want: UnitWanted, seen: UnitSeen) -> Difference | None:
    """Return what differs of whether it runs, and of what was started."""
    if want.active is None or (want.active is False and not seen.state.up):
        return None
    if not want.active:
        return "stop", "it should not run", "outage"
    if not seen.state.up:
        return "start", safe_line(seen.state.down), "no"
    if seen.started != want.digest:
        return "restart", "what runs was started from another file, or from which is not known", "restart"
    return None


def _boot(want: UnitWanted, seen: UnitSeen) -> tuple[str, ...]:
    if want.enabled is None or want.enabled is seen.state.at_boot:
        return ()
    return ("+ starts with the host",) if want.enabled else ("- starts with the host",)


def _run(unit: str, want: UnitWanted) -> Sh:
    """Return shell that restarts what was started from another file, and starts what does not run."""
    return sh(
        """\
z=; [ ! -f {record} ] || read -r z <{record} || true
verb=start; [ "$z" = {digest} ] || verb=restart
{started}
mkdir -p -- {records}
printf '%s\\n' {digest} >"$staging/.started"
sync "$staging/.started" 2>/dev/null || sync
mv -f -- "$staging/.started" {record}""",
        record=f"{RECORDS}/{unit}",
        records=RECORDS,
        digest=want.digest,
        started=systemd.started(Sh('"$verb"'), unit, want.start),
    )


def _checked(key: str) -> str:
    """Return the name of a unit; raises ValueError for what is none, or is a template of many."""
    if len(key) > 255 or not _NAME.fullmatch(key):
        raise ValueError(
            f"unit:{safe_line(key)}: a name has at most 255 letters, digits, :, _, ., \\ and -, and an ending, as"
            " `.service` or `.timer`; a template (`name@.service`) is a file, not a unit"
        )
    return key


_PUT = """\
if [ -d {file} ]; then echo 'there is a folder in its place; move it away'; exit 1; fi
chown root:root "$staging"/{name}
chmod 644 "$staging"/{name}
mv -fT -- "$staging"/{name} {file}
systemctl daemon-reload"""

_READ = """\
[ "$(systemctl show -p NeedDaemonReload --value -- {unit})" = no ] || systemctl daemon-reload"""

_REMOVE = """\
[ -e {file} ] || [ -L {file} ] || exit 0
systemctl stop -- {unit} || [ "$(systemctl show -p LoadState --value -- {unit})" != loaded ]
systemctl disable --quiet -- {unit} 2>/dev/null || true
rm -f -- {file} {record}
systemctl daemon-reload
systemctl reset-failed -- {unit} 2>/dev/null || true"""
