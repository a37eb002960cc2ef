"""The driver of one contract on one web host; see `crm.driver.Driver`."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from crm.driver import Progress, Status
from crm.errors import HostError, Refused
from crm.made import holds, made_with
from crm.plan import Crossing, Plan, Release, Want
from crm.recipe import Exec, Recipe
from crm.slots import Filled
from playbooks.asking import candidate_of
from playbooks.attached import attached
from playbooks.course import Patience
from playbooks.host import Host
from playbooks.manifest import Manifest
from playbooks.mover.memory import recall
from playbooks.planned import plan_of
from playbooks.shell import sh
from playbooks.terminal import safe_line
from playbooks.webhost import closed, front
from playbooks.webhost.facts import Place
from playbooks.webhost.layout import Layout, Serves
from playbooks.webhost.slots import python_of
from playbooks.webhost.survey import look, survey
from playbooks.webhost.upkeep import command

if TYPE_CHECKING:
    from playbooks.webhost.work import WebHostWork


class WebHostDriver:
    """One open connection to the host of one contract. who: `user@machine`, for those who find the lock held."""

    def __init__(  # noqa: PLR0913 - all but two by name
        self,
        host: Host,
        contract: str,
        *,
        document_root: str | None,
        who: str,
        progress: Progress,
        patience: Patience | None = None,
        serves: Serves | None = None,
    ) -> None:
        self._host = host
        serves = serves or Serves()
        self._layout = Layout(host.home, contract, serves.front, document_root, serves.database, serves.archives)
        self._document_root = document_root
        self._who = who
        self._progress = progress
        self._patience = patience or Patience()
        self._salt = secrets.token_hex(16)

    def refuses(self, recipe: Recipe) -> str | None:
        """Return why a web host cannot carry the recipe, or None."""
        return refusal(recipe, self._layout)

    def plan(self, want: Want) -> Plan:
        """Ask the host about every resource, change nothing, and return what differs."""
        return plan_of(survey(self._host, self._layout, want, self._document_root, self._salt))

    @contextmanager
    def lock(self, doing: str) -> Iterator[WebHostWork]:
        """Hold the contract's lock on the host; raises LockHeld naming step and holder."""
        from playbooks import session
        from playbooks.webhost.work import WebHostWork

        with session.lock(self._host, self._layout.contract, doing, self._who) as held:
            yield WebHostWork(held, self._layout, self._document_root, self._progress, self._patience, self._salt)

    def status(self, want: Want) -> Status:
        """Return what runs now."""
        from playbooks.webhost.status import status_of

        return status_of(self._host, self._layout, want)

    def made_with(self, want: Want, secrets: frozenset[str]) -> frozenset[str]:
        """Return which of these secrets, which the fleet lacks, were used to make what is there; changes nothing."""
        seen = survey(self._host, self._layout, want, self._document_root, self._salt)
        return made_with(secrets, (one.manifest.secrets for one in seen.place.kept), data=holds(seen.records))

    def serving(self) -> str | None:
        """Return the id of the release that serves."""
        return self._place().serving

    def crossing(self) -> Crossing | None:
        """Return what the host remembers of the last upgrade of its database's schema."""
        return recall(self._host, self._layout.contract, closed.places(self._layout)).crossing

    @contextmanager
    def inside(self, release: Release) -> Iterator[tuple[str, int]]:
        """Give a loopback address here at which a staged release answers while this is held; no customer sees it."""
        from playbooks.mover.inside import inside

        kept = self._place().find(release.id)
        if kept is None:
            raise HostError(f"the host has no release {release.id}", "deploy it first")
        layout, patience = self._layout, self._patience
        known = {"run": layout.run(release), "release": layout.release(release.id)}
        candidate = candidate_of(known, kept.manifest.candidate)
        python = python_of(layout, kept.manifest)
        with inside(self._host, python, candidate, layout.process_log("steps"), patience.candidate) as address:
            yield address

    def releases(self) -> Sequence[Release]:
        """Return the releases that have proven themselves and are kept, the one that served last first."""
        return [kept.manifest.release for kept in self._place().kept if kept.proven]

    def logs(self, process: str, lines: int) -> Iterator[str]:
        """Yield the last lines of a process's log, made safe for a terminal."""
        manifests = [kept.manifest for kept in self._place().kept]
        led = {one.candidate.name for one in manifests if one.front != "process"}  # its errors come from the host's own
        names = sorted({one.name for manifest in manifests for one in manifest.processes} | led)
        known = [*names, "steps", "keep", closed.NAME]
        if process not in known:
            raise Refused(f"{self._layout.contract} has no process {process!r}", f"it has: {', '.join(known)}")
        script = sh(
            "tail -n {lines} -- {path} 2>/dev/null || true", lines=lines, path=self._layout.process_log(process)
        )
        text = self._host.ask(script, limit=16 << 20).decode("utf-8", "surrogateescape")
        for line in text.splitlines():
            yield safe_line(line, 4000)

    def exec(self, want: Want, argv: Sequence[str]) -> int:  # noqa: ARG002 - the release on the host decides
        """Run a command as the web process runs, line by line, with this process's streams; returns its exit code."""
        return run_command(self._host, self._serving(), argv, sys.stdin.buffer, sys.stdout.buffer)

    def _place(self) -> Place:
        return look(self._host, self._layout)

    def _serving(self) -> Manifest:
        place = self._place()
        kept = place.find(place.serving)
        if kept is None:
            raise HostError(f"{self._layout.contract}: no release serves on the host", "deploy it first")
        return kept.manifest


def refusal(recipe: Recipe, layout: Layout) -> str | None:
    """Return why a web host cannot carry the recipe, or None. Pure."""
    steps = [step.name for step in recipe.steps if not any(isinstance(way, Exec) for way in step.ways)]
    reasons = (
        ("webhost" not in recipe.targets, f"does not run on a web host; it suits {', '.join(recipe.targets)}"),
        (
            bool(steps),
            f"has a step that can only be done over HTTP ({', '.join(steps)}), which this version does not do",
        ),
    )
    found = next((f"{recipe.title} {reason}" for holds, reason in reasons if holds), None)
    return found or front.refusal(recipe, layout)


def run_command(host: Host, manifest: Manifest, argv: Sequence[str], stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Run a command in a release's environment on the host; its output comes line by line, both streams as one."""
    web = next((process for process in manifest.processes if process.name == "web"), manifest.candidate).run
    script = sh(
        "cd {cwd} && PATH={bin}:$PATH && export PATH && {program}",
        cwd=web.cwd,
        bin=web.argv[0].rpartition("/")[0] or "/usr/bin",
        program=command(Filled(tuple(argv), web.env, web.cwd)),
    )
    return attached(host, script, stdin, stdout)
