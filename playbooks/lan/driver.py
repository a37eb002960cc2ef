"""The driver of one contract on one server with sudo; see `crm.driver.Driver`."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from crm.driver import Progress, Status
from crm.errors import GateFailed, HostError, Refused
from crm.made import holds, made_with
from crm.plan import Crossing, Plan, Release, Want
from crm.recipe import Ask, Exec, Http, PipLock, Recipe
from playbooks.asking import read_answer
from playbooks.attached import attached
from playbooks.course import STEPS, Patience
from playbooks.host import Host
from playbooks.lan.acme import leaf
from playbooks.lan.asuser import PYTHON, before
from playbooks.lan.facts import Place
from playbooks.lan.layout import Layout, job
from playbooks.lan.release import DATABASE
from playbooks.lan.server import Setup
from playbooks.lan.sites import AUTHORITY_SECRETS, Address, authority_file
from playbooks.lan.survey import look, plan_of, survey
from playbooks.manifest import Manifest
from playbooks.programs import program
from playbooks.shell import sh
from playbooks.terminal import safe_line

if TYPE_CHECKING:
    from playbooks.lan.work import LanWork

PATIENCE = 20.0
"""Seconds within which the site answers as it should."""


class LanDriver:
    """One open connection to the server of one contract, as root. who: `user@machine`, for those who find it locked."""

    def __init__(
        self,
        host: Host,
        contract: str,
        setup: Setup,
        *,
        who: str,
        progress: Progress,
        patience: Patience | None = None,
    ) -> None:
        self._host = host
        self._layout = Layout(contract)
        self._setup = setup
        self._who = who
        self._progress = progress
        self._patience = patience or Patience()
        self._salt = secrets.token_hex(16)

    def refuses(self, recipe: Recipe) -> str | None:
        """Return why a server cannot carry the recipe, or None."""
        return refusal(recipe)

    def plan(self, want: Want) -> Plan:
        """Ask the server about every resource, change nothing, and return what differs."""
        return plan_of(survey(self._host, self._layout, want, self._setup, self._salt))

    @contextmanager
    def lock(self, doing: str) -> Iterator[LanWork]:
        """Hold the contract's lock on the server; raises LockHeld naming step and holder."""
        from playbooks import session
        from playbooks.lan.work import LanWork

        with session.lock(self._host, self._layout.contract, doing, self._who) as held:
            yield LanWork(held, self._layout, self._setup, self._progress, self._patience, self._salt)

    def status(self, want: Want) -> Status:
        """Return what runs now."""
        from playbooks.lan.status import status_of

        return status_of(self._host, self._layout, want)

    def made_with(self, want: Want, secrets: frozenset[str]) -> frozenset[str]:
        """Return which of these secrets, which the fleet lacks, were used to make what is there; changes nothing.

        An authority of crmhost's own shows in the file that the server hands out.
        """
        seen = survey(self._host, self._layout, want, self._setup, self._salt)
        believed = frozenset(AUTHORITY_SECRETS) & secrets
        found = made_with(
            secrets - believed, (one.manifest.secrets for one in seen.place.kept), data=holds(seen.records)
        )
        script = sh("[ ! -s {path} ] || echo there", path=authority_file(self._layout))
        return found | believed if believed and self._host.ask(script).strip() else found

    def serving(self) -> str | None:
        """Return the id of the release that serves."""
        return self._place().serving

    def crossing(self) -> Crossing | None:
        """Return what the server remembers of the last upgrade of its database's schema."""
        return look(self._host, self._layout)[1].crossing

    def releases(self) -> Sequence[Release]:
        """Return the releases that have proven themselves and are kept, the one that served last first."""
        return [kept.manifest.release for kept in self._place().kept if kept.proven]

    def ask_site(self, want: Want, ask: Ask) -> None:
        """Ask the site as its users do, but on the server itself: who deploys may be outside of its network.

        `ask` is a plain GET. Raises GateFailed when the answer is not the expected one, or another certificate is
        shown.
        """
        given = site_question(ask, Address.of(want.slots["url"]), self._leaf(), PATIENCE)
        script = sh("printf %s {given} | {program}", given=given, program=program("site", PYTHON))
        answer = read_answer(self._host.ask(script, timeout=PATIENCE + 30.0).decode("utf-8", "replace"))
        if not answer.held:
            found = safe_line(answer.text, 200)
            raise GateFailed(f"{want.slots['url']}, asked on the server, answered {found!r}, not {ask.expect!r}")

    @contextmanager
    def inside(self, release: Release) -> Iterator[tuple[str, int]]:
        """Give a loopback address here at which a release whose web process runs answers, whoever else is served."""
        from playbooks.mover.inside import joined

        kept = self._place().find(release.id)
        if kept is None:
            raise HostError(f"{self._layout.contract}: the server has no release {release.id}", "deploy it first")
        port = int(kept.manifest.listen.rpartition(":")[2])
        with joined(self._host, PYTHON, port, self._layout.process_log(STEPS)) as here:
            yield here

    @contextmanager
    def entrance(self, port: int) -> Iterator[tuple[str, int]]:
        """Give a loopback address here that leads to this port of the server itself, where its nginx listens."""
        from playbooks.mover.inside import joined

        with joined(self._host, PYTHON, port, self._layout.process_log(STEPS)) as here:
            yield here

    def logs(self, process: str, lines: int) -> Iterator[str]:
        """Yield the last lines of what a process of any kept release printed, made safe for a terminal."""
        kept = [one.manifest for one in self._place().kept]
        names = sorted({name for manifest in kept for name in names_of(manifest)})
        if process not in (*names, STEPS):
            known = ", ".join((*names, STEPS))
            raise Refused(f"{self._layout.contract} has no process {process!r}", f"it has: {known}")
        if process == STEPS:
            path = self._layout.process_log(STEPS)
            script = sh("tail -n {lines} -- {path} 2>/dev/null || true", lines=lines, path=path)
        else:
            units = [f"--unit={self._layout.unit(manifest.release, process)}" for manifest in kept]
            script = sh("journalctl -n {lines} -o short-iso --no-pager -q {units}", lines=lines, units=units)
        text = self._host.ask(script, limit=16 << 20).decode("utf-8", "surrogateescape")
        for line in text.splitlines():
            yield safe_line(line, 4000)

    def exec(self, want: Want, argv: Sequence[str]) -> int:  # noqa: ARG002 - the release on the server decides
        """Run a command as the customer's user in the release's environment, line by line; returns its exit code."""
        return run_command(self._host, self._layout, self._serving(), argv, sys.stdin.buffer, sys.stdout.buffer)

    def _leaf(self) -> str | None:
        """Return the SHA-256 (hex) of the certificate that the site must show: the server's own by ACME, or ours."""
        if self._setup.acme is not None:
            return self._host.ask(leaf(self._layout)).decode("ascii", "replace").strip()
        return None if self._setup.certificate is None else self._setup.certificate.leaf

    def _place(self) -> Place:
        return look(self._host, self._layout)[0]

    def _serving(self) -> Manifest:
        place = self._place()
        kept = place.find(place.serving)
        if kept is None:
            raise HostError(f"{self._layout.contract}: no release serves on the server", "deploy it first")
        return kept.manifest


def site_question(ask: Ask, address: Address, certificate: str | None, patience: float) -> str:
    """Return the input of the program `site`. Pure."""
    if not isinstance(ask.how, Http) or ask.how.method != "GET":
        raise ValueError("a site is asked by GET alone")
    usual = address.port == (443 if address.secure else 80)
    headers = {"Host": address.host if usual else f"{address.host}:{address.port}", "User-Agent": "crmhost"}
    spec = {
        "method": "GET",
        "path": ask.how.path,
        "headers": headers,
        "expect": ask.expect,
        "patience": patience,
        "host": address.host,
        "port": address.port,
        "certificate": certificate if address.secure else None,
    }
    return json.dumps(spec)


def names_of(manifest: Manifest) -> tuple[str, ...]:
    """Return what has a log of its own: processes by their names, and jobs as `job-NAME`."""
    return (*(one.name for one in manifest.processes), *(job(one.name) for one in manifest.jobs))


def refusal(recipe: Recipe) -> str | None:
    """Return why a server cannot carry the recipe, or None. Pure."""
    steps = [step.name for step in recipe.steps if not any(isinstance(way, Exec) for way in step.ways)]
    reasons = (
        ("lan" not in recipe.targets, f"does not run on a server with sudo; it suits {', '.join(recipe.targets)}"),
        (DATABASE not in recipe.databases, "does not run on PostgreSQL, which is what a server has"),
        (
            not all(isinstance(artifact, PipLock) for artifact in recipe.artifacts.values()),
            "is no Python package; this version installs nothing else on servers",
        ),
        ("redis" in recipe.needs, "cannot do without a redis, which this version brings to no server"),
        (all(process.name != "web" for process in recipe.processes), "has no process called web"),
        (
            bool(steps),
            f"has a step that can only be done over HTTP ({', '.join(steps)}), which this version does not do",
        ),
    )
    return next((f"{recipe.title} {reason}" for holds, reason in reasons if holds), None)


def run_command(
    host: Host, layout: Layout, manifest: Manifest, argv: Sequence[str], stdin: BinaryIO, stdout: BinaryIO
) -> int:
    """Run a command in a release's environment on the server, as the customer's user."""
    run = manifest.candidate.run
    path = f"PATH={run.argv[0].rpartition('/')[0] or '/usr/bin'}:/usr/local/bin:/usr/bin:/bin"
    words = [*before(layout, layout.run(manifest.release)), path, *(f"{k}={v}" for k, v in run.env.items()), *argv]
    return attached(host, sh("cd {cwd} && umask 077 && {words}", cwd=run.cwd, words=words), stdin, stdout)
