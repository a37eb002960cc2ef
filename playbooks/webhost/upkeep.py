"""What keeps a release up: the scripts that the account's crontab runs, and how a process is started. Pure."""

from __future__ import annotations

from crm.slots import Filled
from playbooks.kinds.process import ProcessKind, ProcessWanted, rotate
from playbooks.manifest import Manifest, Runs, Timed
from playbooks.shell import Sh, lines, sh
from playbooks.webhost import front
from playbooks.webhost.layout import Layout, key

KEEPER = "keep"
"""The name of the line that starts again what is down."""


def keeper_script(layout: Layout, manifest: Manifest) -> Sh:
    """Return what the keeper's line runs each minute: it starts what is down, and leaves the host to whoever deploys.

    What the host's own web server runs it does not start, and keeps its log small.

    Descriptors below 9 are closed: what is started must hold neither cron's own lock nor the contract's.
    """
    head = sh(
        """\
cd {home} || exit 1
umask 077
exec 3>&- 4>&- 5>&- 6>&- 7>&-
exec 9>>{lock}
flock -n 9 || exit 0""",
        home=layout.home,
        lock=layout.lock,
    )
    acts = [
        ProcessKind().act(process_key(layout, process.name), process_wanted(layout, process), None)
        for process in manifest.processes
    ]
    tries = [
        sh(
            """\
if (
{guard}
) >/dev/null 2>&1; then :; else
(
set -e
date -u '+%Y-%m-%dT%H:%M:%SZ was down, started again: {name}'
{act}
) </dev/null
fi""",
            guard=act.guard,
            act=act.script,
            name=Sh(process.name),
        )
        for act, process in zip(acts, manifest.processes, strict=True)
    ]
    own = () if manifest.front == "process" else (rotate(layout.process_log("web")),)
    return lines(head, *tries, *own)


def job_script(job: Timed) -> Sh:
    """Return what a job's line runs."""
    return sh("cd {cwd} && exec {command}", cwd=job.run.cwd, command=command(job.run))


def command(run: Filled) -> Sh:
    """Return a program with its environment as one simple command."""
    return sh("env {env} {argv}", env=[f"{name}={value}" for name, value in run.env.items()], argv=run.argv)


def stale(layout: Layout, manifest: Manifest) -> Sh:
    """Return shell after which the release's processes count as started with another command, or not by Passenger.

    It runs before a file of theirs is changed: however the operation ends, the next plan knows that they must restart.
    """
    return lines(
        sh(":"),
        *(sh("rm -f {path}", path=path) for path in front.doors(layout, manifest) if path == front.restart(manifest)),
        *(
            sh(
                """\
if [ -f {pid} ]; then
  read -r a b c <{pid} || true
  printf '%s stale %s\\n' "$a" "$c" >{pid}.new && mv -f {pid}.new {pid}
fi""",
                pid=f"{layout.runs}/{process.name}.pid",
            )
            for process in manifest.processes
        ),
    )


def process_key(layout: Layout, name: str) -> str:
    """Return the key of a process."""
    return key(layout, f"{layout.runs}/{name}")


def process_wanted(layout: Layout, process: Runs) -> ProcessWanted:
    """Return a process of a release as a resource wants it."""
    run = process.run
    return ProcessWanted(run.argv, run.cwd, layout.process_log(process.name), run.env, process.stop)
