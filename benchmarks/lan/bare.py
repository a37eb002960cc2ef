"""A first deploy as somebody types it who knows all the values: one command after the other, and nothing is asked.

The values are those of a contract's resources, in the driver's own order; no lock, no journal, no gate, no temporary
files, and nothing is looked at before it is written.
"""

from __future__ import annotations

import posixpath
import subprocess
from collections.abc import Iterator, Sequence
from typing import TextIO

from crm.due import FIRST
from crm.slots import fill_exec, fill_text, way
from crm.steps import ordered
from playbooks.kind import Resource
from playbooks.kinds.account import SHELL, AccountWanted
from playbooks.kinds.cluster import FILE, ClusterWanted
from playbooks.kinds.file import FileWanted
from playbooks.kinds.folder import FolderWanted
from playbooks.kinds.link import LinkWanted
from playbooks.kinds.nftables import FirewallWanted
from playbooks.kinds.pgdatabase import PgDatabaseWanted
from playbooks.kinds.role import RoleWanted
from playbooks.kinds.site import FOLDER as SITES
from playbooks.kinds.site import SiteWanted
from playbooks.kinds.unit import FOLDER as UNITS
from playbooks.kinds.unit import UnitWanted
from playbooks.kinds.upstream import FOLDER as UPSTREAMS
from playbooks.kinds.upstream import UpstreamWanted
from playbooks.kinds.venv import VenvWanted
from playbooks.lan.asuser import before
from playbooks.lan.layout import Layout
from playbooks.lan.survey import Survey
from playbooks.shell import Sh, lines, sh


def commands(seen: Survey) -> Sh:
    """Return the shell script of a first deploy, for root. It holds the contract's secrets. Pure."""
    return lines(sh("set -e\nexport DEBIAN_FRONTEND=noninteractive"), *_all(seen))


def _all(seen: Survey) -> Iterator[Sh]:
    staged = [one for one in seen.staged.resources if one.want is not None]
    packages = [one.key for one in staged if one.kind.name == "package"]
    yield sh("apt-get update -q\napt-get install -q -y --no-install-recommends {packages}", packages=packages)
    for resource in staged:
        yield from _made(resource)
    yield from _steps(seen)
    for resource in seen.serving:
        if resource.want is not None:
            yield from _made(resource)


def _made(resource: Resource) -> Iterator[Sh]:  # noqa: C901, PLR0912 -- a case for each kind
    key = resource.key
    match resource.want:
        case AccountWanted(home):
            yield sh("useradd --system --user-group -d {home} -M -s {shell} {key}", home=home, shell=SHELL, key=key)
        case FolderWanted() as one:
            access = {"mode": f"{one.mode:o}", "owner": one.owner or "root", "group": one.group or "root"}
            yield sh("install -d -m {mode} -o {owner} -g {group} {key}", key=key, **access)
        case FileWanted() as one:
            yield _file(key, one.content.decode(), f"{one.mode:o}", f"{one.owner or 'root'}:{one.group or 'root'}")
        case ClusterWanted(connections):
            text = """\
for u in /etc/postgresql/*/main; do echo 'max_connections = '{number} >"$u"/{file}; done
systemctl restart postgresql"""
            yield sh(text, number=connections, file=FILE)
        case RoleWanted():
            yield sh("runuser -u postgres -- createuser {key}", key=key)
        case PgDatabaseWanted(owner):
            yield sh("runuser -u postgres -- createdb -O {owner} -T template0 -E UTF8 {key}", owner=owner, key=key)
        case VenvWanted() as one:
            yield _venv(key, one)
        case LinkWanted(target):
            yield sh("ln -sfn {target} {key}", target=target, key=key)
        case UpstreamWanted() as one:
            folder = f"{UPSTREAMS}/{key}"
            yield sh("install -d -m 755 {folder} {folder}/{to}\nln -sfn {to} {folder}/now", folder=folder, to=one.place)
        case SiteWanted(content):
            yield _file(f"{SITES}/crmhost-{key}.conf", content)
            yield sh("nginx -t -q\nsystemctl reload nginx")
        case UnitWanted() as one:
            yield _file(f"{UNITS}/{key}", one.text)
            yield sh("systemctl daemon-reload")
            if one.active:
                yield sh("systemctl enable --now --quiet {key}", key=key)
        case FirewallWanted() as one:
            rules = f"/etc/{key}-firewall.nft"
            yield _file(rules, one.text(key))
            yield sh("nft -f {rules}", rules=rules)


def _file(path: str, content: str, mode: str = "644", owner: str = "root:root") -> Sh:
    return sh(
        "mkdir -p {parent}\nprintf %s {content} >{path}\nchmod {mode} {path}\nchown {owner} {path}",
        parent=posixpath.dirname(path),
        content=content,
        path=path,
        mode=mode,
        owner=owner,
    )


def _venv(path: str, want: VenvWanted) -> Sh:
    pip = sh("{python} -m pip install --disable-pip-version-check -q --require-hashes", python=f"{path}/bin/python")
    text = """\
python3 -m venv {path}
printf %s {lock} >/root/lock.txt
printf %s {build} >/root/build.txt
[ ! -s /root/build.txt ] || {pip} -r /root/build.txt
{pip} --no-build-isolation -r /root/lock.txt"""
    return sh(text, path=path, lock=want.lock, build=want.build, pip=pip)


def _steps(seen: Survey) -> Iterator[Sh]:
    want, layout = seen.want, Layout(seen.want.contract)
    for step in ordered(want.recipe, FIRST):
        program, where = way(step), f"step {step.name}"
        run = fill_exec(program, seen.known, where)
        stdin = fill_text(program.stdin, seen.known, want.secrets, where)
        words = [*before(layout, seen.known["run"]), *(f"{k}={v}" for k, v in run.env.items()), *run.argv]
        yield sh("cd {cwd}\nprintf %s {stdin} | {words} >/dev/null", cwd=run.cwd, stdin=stdin, words=words)


def run(argv: Sequence[str], script: TextIO) -> None:
    """Run them by a command that reads a script; raises RuntimeError with the end of what it said when it fails."""
    done = subprocess.run(argv, stdin=script, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the bare commands ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")
