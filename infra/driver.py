"""The driver of one contract on one Docker host; see `crm.driver.Driver`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crm.driver import Status
from crm.errors import HostError, Refused
from crm.made import made_with
from crm.plan import Crossing, Plan, Release, Want
from crm.recipe import Ask, Exec, Http, PipLock, Recipe
from infra import crossings, naming, sites, steplog
from infra.engine import lock as locking
from infra.engine.stream import Streams
from infra.plan import plan_of, releases
from infra.ready import Patience
from infra.release import DATABASE
from infra.rollout import Rollout
from infra.survey import Cloud, survey

if TYPE_CHECKING:
    from infra.cloudwork import CloudWork

DAY = 86_400.0
"""Seconds that a command of a person's may run."""


class CloudDriver:
    """One contract on one connected engine. host: the host name in the customer's URL."""

    def __init__(self, cloud: Cloud, host: str, patience: Patience | None = None) -> None:
        self._cloud = cloud
        self._host = host
        self._patience = patience or Patience()

    def refuses(self, recipe: Recipe) -> str | None:
        """Return why a Docker host cannot carry the recipe, or None."""
        return refusal(recipe)

    def plan(self, want: Want) -> Plan:
        """Ask the host about every resource, change nothing, and return what differs."""
        return plan_of(survey(self._cloud, want))

    @contextmanager
    def lock(self, doing: str) -> Iterator[CloudWork]:
        """Hold the contract's lock on the host; raises LockHeld naming step and holder."""
        from infra import shelves
        from infra.cloudwork import CloudWork

        cloud = self._cloud
        image = cloud.engine.image_id(cloud.settings.images.python)
        with locking.lock(cloud.engine, cloud.contract, doing, cloud.who, image=image) as held:
            shelves.remove_left(cloud.engine, cloud.contract)
            work = CloudWork(cloud, self._host, held, self._patience)
            yield work
        if work.gone:
            cloud.engine.remove_volume(naming.journal(cloud.contract))

    def status(self, want: Want) -> Status:
        """Return what runs now."""
        from infra.status import status_of

        return status_of(self._cloud, self._recorded(), self.serving(), want)

    def made_with(self, want: Want, secrets: frozenset[str]) -> frozenset[str]:  # noqa: ARG002 -- the stack says it
        """Return which of these secrets, which the fleet lacks, were used to make what is there; changes nothing."""
        contract = self._cloud.contract
        volumes = self._cloud.engine.seen(contract).volumes
        recorded = self._recorded()
        before = () if recorded is None or recorded.previous is None else (recorded.previous,)
        there = (*releases(recorded), *before)
        return made_with(secrets, (each.secrets for each in there), data=naming.database(contract) in volumes)

    def serving(self) -> str | None:
        """Return the id of the release that customers are sent to."""
        slot = sites.state(self._cloud.engine, self._host).slot
        return next((each.release.id for each in releases(self._recorded()) if each.slot == slot), None)

    def crossing(self) -> Crossing | None:
        """Return what the host remembers of the last upgrade of the database's schema."""
        return crossings.read(self._cloud.engine, self._cloud.contract)

    def releases(self) -> Sequence[Release]:
        """Return the release that has proven itself and the one before it, newest first."""
        recorded = self._recorded()
        if recorded is None:
            return ()
        kept = (recorded.served, recorded.previous)
        return [each.release for each in kept if each is not None]

    def logs(self, process: str, lines: int) -> Iterator[str]:
        """Yield the last lines of a process's log, or of what `steps` that failed have printed, safe for a terminal."""
        for line in self._log(process, lines):
            yield "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in line)[:4000]

    def _log(self, process: str, lines: int) -> Sequence[str]:
        contract, engine = self._cloud.contract, self._cloud.engine
        if process == steplog.PROCESS:
            return list(steplog.shown(steplog.kept(engine, contract)))[-lines:]
        names = self._processes()
        if process not in names:
            known = ", ".join((*names, steplog.PROCESS))
            raise Refused(f"{contract} has no process {process!r}", f"it has: {known}")
        return engine.logs(names[process], lines).decode("utf-8", "replace").splitlines()

    def exec(self, want: Want, argv: Sequence[str]) -> int:  # noqa: ARG002 -- the release on the host decides
        """Run a command as the web process runs, with this process's streams; returns its exit code."""
        serving, recorded = self.serving(), self._recorded()
        placed = next((each for each in releases(recorded) if each.release.id == serving), None)
        if placed is None:
            raise HostError(f"{self._cloud.contract}: no release serves on the host", "deploy it first")
        web = naming.process(self._cloud.contract, placed.tag, "web")
        streams = Streams(sys.stdin.buffer, sys.stdout.buffer, sys.stderr.buffer)
        return self._cloud.engine.stream(web, argv, streams, timeout=DAY).code

    @contextmanager
    def inside(self, release: Release) -> Iterator[tuple[str, int]]:
        """Give a loopback address that leads to a release's web process, whether customers are sent to it or not."""
        from infra.inside import inside

        contract = self._cloud.contract
        with inside(self._cloud.engine, naming.process(contract, release.config[:12], "web")) as address:
            yield address

    def authority(self) -> str:
        """Return the certificates (PEM) of the ingress's own authority."""
        return sites.authority(self._cloud.engine)

    def _recorded(self) -> Rollout | None:
        return self._cloud.stack.recorded()

    def _processes(self) -> dict[str, str]:
        """Return the containers by the names of their processes: of what serves, else of the candidate."""
        recorded = self._recorded()
        if recorded is None:
            raise HostError(f"{self._cloud.contract}: was never deployed to this host", "deploy it first")
        contract = self._cloud.contract
        placed = recorded.served or recorded.candidate
        runs = () if placed is None else recorded.running(placed)
        own = {} if placed is None else {each.name: naming.process(contract, placed.tag, each.name) for each in runs}
        redis = {} if recorded.redis is None else {"redis": naming.redis(contract)}
        return {**own, "db": naming.database(contract), **redis, "ingress": naming.INGRESS}


def refusal(recipe: Recipe) -> str | None:
    """Return why a Docker host cannot carry the recipe, or None. Pure."""
    steps = [step.name for step in recipe.steps if not any(isinstance(way, Exec) for way in step.ways)]
    over_http = [step.name for step in recipe.steps if isinstance(step.done, Ask) and isinstance(step.done.how, Http)]
    plain = isinstance(recipe.ready.how, Http) and not recipe.ready.how.form
    reasons = (
        ("cloud" not in recipe.targets, f"does not run on a Docker host; it suits {', '.join(recipe.targets)}"),
        (
            DATABASE not in recipe.databases,
            "needs another database; this version keeps PostgreSQL alone on Docker hosts",
        ),
        (
            not all(isinstance(artifact, PipLock) for artifact in recipe.artifacts.values()),
            "is no Python package; this version builds no other images",
        ),
        (all(process.name != "web" for process in recipe.processes), "has no process called web"),
        (not plain, "is asked whether it is ready by something else than a plain request, which a container cannot do"),
        (
            bool(steps),
            f"has steps that can only be done over HTTP ({', '.join(steps)}), which this version does not do",
        ),
        (
            bool(over_http),
            f"has steps that are asked about over HTTP ({', '.join(over_http)}) while no web process runs",
        ),
    )
    return next((f"{recipe.title} {reason}" for holds, reason in reasons if holds), None)
