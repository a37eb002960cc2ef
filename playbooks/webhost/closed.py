"""Shutting customers out of a web host, and letting them in again: the maintenance page as resources. Pure.

While a contract is closed, a file in its folder says so: the host's own Passenger and PHP look there. Where a process
of the account serves, a process that shows the page takes its address over, and the keeper's line starts that again.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources

from crm import maintenance
from crm.slots import Filled
from playbooks.kind import Resource
from playbooks.kinds.cron import CronKind, CronWanted
from playbooks.kinds.file import FileKind, FileWanted
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.process import ProcessKind, ProcessWanted
from playbooks.manifest import Manifest, Runs
from playbooks.mover.memory import Places
from playbooks.programs import program
from playbooks.shell import Sh, lines, sh
from playbooks.webhost import resources as made
from playbooks.webhost.layout import Layout, key
from playbooks.webhost.slots import HOST_PYTHON
from playbooks.webhost.upkeep import KEEPER, keeper_script

NAME = "maintenance"
"""The process that shows the page; no recipe's process may be called so."""
_JOB = 30
"""Seconds that whoever is at work has to end by himself."""
_REST = sh(
    """\
each() {{ for f in /proc/[0-9]*/fd/*; do if [ "$f" -ef "$1" ]; then echo "$f"; fi; done 2>/dev/null; }}
unused() {{ [ ! -e "$1" ] || [ -z "$(each "$1")" ]; }}
tell() {{
  for f in $(each "$1"); do p=${{f#/proc/}}; kill "-$2" "${{p%%/*}}" 2>/dev/null || true; done
}}
rest() {{
  what=$1; why=$2; term=$3; shift 3; n=0
  until "$@"; do
    n=$((n + 1))
    case $((n - term)) in 0) tell "$what" TERM ;; 50) tell "$what" KILL ;; 75) echo "$why"; exit 1 ;; esac
    sleep 0.2 2>/dev/null || sleep 1
  done
}}
patient={patient}""",
    patient=_JOB * 5,
)
_SHUT = b"customers see the maintenance page\n"
_STOP = 5


def places(layout: Layout) -> Places:
    """Return the files by which the host remembers an upgrade, and that customers are shut out."""
    return Places(layout.crossing, layout.closed)


def closing(layout: Layout, salt: str, shown: Manifest, kept: Sequence[Manifest]) -> tuple[Resource, ...]:
    """Return the resources with which customers see the page at the address of the release `shown`, and no job runs.

    The page's process waits for the address before what serves is ended, so that hardly a moment lies between.
    """
    kind = FileKind(salt)
    folder = f"{layout.root}/page"
    above = Resource(FolderKind(), key(layout, folder), FolderWanted())
    if shown.front != "process":
        text = Resource(kind, key(layout, layout.page), FileWanted(maintenance.page().encode()), (above.id,))
        flag = Resource(kind, key(layout, places(layout).closed), FileWanted(_SHUT), (text.id,))
        return (above, text, flag, *(one for one in made.nothing(layout, kept) if one.kind.name == "cron"))
    page = _process(layout, shown)
    keeper = replace(shown, processes=(Runs(NAME, Filled(page.argv, page.env, page.cwd), page.stop),))
    texts = {
        f"{folder}/page.py": resources.files("playbooks.onhost").joinpath("page.py").read_text("utf-8"),
        layout.page: maintenance.page(),
        f"{folder}/keep.sh": keeper_script(layout, keeper).text + "\n",
        places(layout).closed: _SHUT.decode(),
    }
    files = [Resource(kind, key(layout, path), FileWanted(text.encode()), (above.id,)) for path, text in texts.items()]
    line = CronWanted(
        sh("sh {path}", path=f"{folder}/keep.sh"), f"{layout.runs}/{KEEPER}.cron", layout.process_log(KEEPER)
    )
    cron = Resource(CronKind(), f"{layout.contract}/{KEEPER}", line, tuple(file.id for file in files))
    up = Resource(ProcessKind(), _key(layout), page, (cron.id,))
    web = Resource(ProcessKind(), key(layout, f"{layout.runs}/web"), None, (up.id,))
    jobs = [one for one in halting(layout, kept) if one.kind.name == "cron"]
    return (above, *files, cron, *jobs, up, web)


def halting(layout: Layout, kept: Sequence[Manifest]) -> tuple[Resource, ...]:
    """Return the resources of a host where no process and no job of any release runs.

    The keeper's line is left as it is, and so is what leads the host's own web server here, which shows the page then.
    """
    led = any(one.front != "process" for one in kept)
    kinds = {"process", "cron"} if led else {"process", "cron", "link"}
    keeper = f"{layout.contract}/{KEEPER}"
    return tuple(one for one in made.nothing(layout, kept) if one.kind.name in kinds and one.key != keeper)


def opening(layout: Layout, salt: str, serving: Sequence[Resource]) -> tuple[Resource, ...]:
    """Return the resources of a release that serves, and of a page that is not shown: it goes before they start."""
    flag = Resource(FileKind(salt), key(layout, places(layout).closed), None)
    page = Resource(ProcessKind(), _key(layout), None)
    gone = (flag.id, page.id)
    return (
        flag,
        page,
        *(replace(one, needs=(*one.needs, *gone)) if one.kind.name == "process" else one for one in serving),
    )


def ended(layout: Layout, kept: Sequence[Manifest]) -> Sh:
    """Return the script that waits for whoever is still at work, and ends who does not end; fails for who stays.

    That are jobs which run at this moment: whoever runs one holds its lock, and so does what it started. And it is
    whatever else has the database open, such as a request that the host's own web server had let in.
    """
    locks = sorted({f"{layout.runs}/job-{job.name}.cron" for one in kept for job in one.jobs})
    held = [
        sh(
            "if [ -e {lock} ]; then rest {lock} {why} $patient flock -n {lock} true; fi",
            lock=lock,
            why=f"{posixpath.basename(lock)} is still held: a job does not end",
        )
        for lock in locks
    ]
    return lines(_REST, *held, _unused(layout, kept))


def outdated(layout: Layout, others: Sequence[Manifest], *, end: bool = False) -> Sh:
    """Return the script that fails while the host's Passenger runs a process of another release, after a second.

    end: it waits for longer, then ends who does not end, and fails for who stays.
    """
    held = [layout.alive(one.release) for one in others if one.front == "passenger"]
    if end:
        why = "a process of another release does not end"
        rests = [
            sh("if [ -e {file} ]; then rest {file} {why} $patient flock -n {file} true; fi", file=one, why=why)
            for one in held
        ]
        return lines(_REST, *rests)
    return lines(
        sh(":"), *(sh("if [ -e {file} ]; then flock -w 1 {file} true || exit 1; fi", file=one) for one in held)
    )


def _unused(layout: Layout, kept: Sequence[Manifest]) -> Sh:
    """Return the script that waits until nobody has the database open.

    Passenger's processes stay, and some keep a file open while they do nothing: once no request is at work in one, it
    is asked to end after a second. What Passenger begins in its place touches no database while customers are out.
    """
    if layout.database == "mysql":
        ends = program("mysql", HOST_PYTHON, "rest", layout.access, str(_JOB))
        return sh("if [ -s {access} ]; then {ends}; fi", access=layout.access, ends=ends)
    idle = [
        sh(
            "if [ -e {busy} ]; then rest {busy} {why} $patient flock -n {busy} true; idle=5; fi",
            busy=layout.busy(one.release),
            why="a request does not end",
        )
        for one in kept
        if one.front == "passenger"
    ]
    why = f"{posixpath.basename(layout.db)} is still open"
    return lines(sh("idle=$patient"), *idle, sh("rest {db} {why} $idle unused {db}", db=layout.db, why=why))


def page_key(layout: Layout) -> str:
    """Return the key of the page's process."""
    return _key(layout)


def _key(layout: Layout) -> str:
    return key(layout, f"{layout.runs}/{NAME}")


def _process(layout: Layout, shown: Manifest) -> ProcessWanted:
    folder = f"{layout.root}/page"
    python = f"{layout.artifact(shown.artifact)}/bin/python"
    argv = (python, "-I", f"{folder}/page.py", shown.listen, str(maintenance.RETRY_AFTER), f"{folder}/page.html")
    return ProcessWanted(argv, folder, layout.process_log(NAME), {}, _STOP)
