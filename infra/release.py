"""What a release is in the cloud: the digest of all that its containers get, and how they are run. Pure."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources

from crm.errors import Refused
from crm.plan import Release, Want
from crm.recipe import DATABASE_PASSWORD, Database, Http, PipLock, Recipe, Secret
from crm.release import configuration, digest
from crm.release import lock_of as lock_with
from crm.slots import Filled, fill_exec, fill_text
from infra import naming
from infra.rollout import PASSWORD, SUPERUSER_PASSWORD, Limits, Placed, Rollout, Runs, Service, Slot, UploadFile
from infra.settings import Images
from infra.slots import PYTHON, values

DATABASE: Database = "postgresql"
SUPERUSER = Secret("database-superuser-password")
SECRETS = (DATABASE_PASSWORD.name, SUPERUSER.name)
"""The secrets that the cloud asks for besides a recipe's own: the fleet makes them with the others."""
CRON = "cron"
"""The process that starts a recipe's jobs by the clock."""
PROBE = "crmhost/probe.py"
SCHEDULER = "crmhost/scheduler.py"
JOBS = "crmhost/jobs.json"
DATABASE_LIMITS = Limits(512, "1.0")
REDIS_LIMITS = Limits(128, "0.5")

_LAYOUT = "1"
"""Raised when containers come to mean something else, so that a release made before gets another name."""
_SPARE_MB = 64
"""What the scheduler itself may use, beside its jobs."""


def lock_of(want: Want) -> PipLock:
    """Return the hashed requirements of the release's image."""
    return lock_with(want.recipe, want.version, DATABASE)


def release_of(want: Want, images: Images) -> Release:
    """Return the release that a contract asks for: its digest covers everything that its containers get.

    Another base image, limit, probe or public setting makes another release; another secret, database image or
    administrator's name does not.
    """
    recipe = want.recipe
    given = {name: value for name, value in want.slots.items() if name != "listen"}
    config = digest(
        {
            "layout": _LAYOUT,
            "base": images.python,
            "own": {PROBE: _own("probe.py"), SCHEDULER: _own("scheduler.py") if recipe.jobs else ""},
            "limits": [[p.name, p.memory_mb, p.cpus] for p in recipe.processes],
            "jobs-memory": [job.memory_mb for job in recipe.jobs],
            "redis": recipe.redis,
            "ready": health(want),
            **configuration(replace(want, slots=given), DATABASE),
        }
    )
    return Release(recipe.id, want.version, config, recipe.schema(want.version))


def place(want: Want, release: Release, image: str, slot: Slot) -> Placed:
    """Return the release as a stack is to hold it; raises Refused for a slot or secret that is missing."""
    known = values(want, release)
    return Placed(
        release=release,
        image=image,
        slot=slot,
        host=want.slots["host"],
        processes=tuple(_processes(want.recipe, known)),
        health=health(want),
        files=tuple(_files(want, known)),
        secrets=tuple(sorted(want.secrets)),
    )


def database(want: Want, images: Images) -> Service:
    """Return the customer's PostgreSQL; raises Refused for a secret that is missing."""
    passwords = ((SUPERUSER_PASSWORD, SUPERUSER), (PASSWORD, DATABASE_PASSWORD))
    files = (
        UploadFile(path, 0o400, fill_text((secret,), {}, want.secrets, "PostgreSQL")) for path, secret in passwords
    )
    return Service(images.postgresql, DATABASE_LIMITS, tuple(files))


def passwords(recorded: Rollout | None) -> Mapping[str, str]:
    """Return the database's passwords that a stack was given, by the names of the secrets; none of no stack."""
    names = {SUPERUSER_PASSWORD: SUPERUSER.name, PASSWORD: DATABASE_PASSWORD.name}
    return {} if recorded is None else {names[file.path]: file.content for file in recorded.database.files}


def redis(want: Want, images: Images) -> Service | None:
    """Return the customer's redis, where the recipe uses one."""
    return Service(images.redis, REDIS_LIMITS) if want.recipe.redis else None


def health(want: Want, address: str = f"127.0.0.1:{naming.WEB_PORT}") -> tuple[str, ...]:
    """Return what asks, inside any container of the release, whether it is ready: `infra/probe/probe.py`.

    `address`: where the web process is asked; a candidate also by its name on the edge network, as the ingress will.
    Raises Refused for a recipe whose question is no plain request: arguments are public.
    """
    ready = want.recipe.ready
    if not isinstance(ready.how, Http) or ready.how.form:
        raise Refused(f"{want.recipe.id}: `ready` is no plain HTTP request, which a container could ask", "")
    database_at = f"{naming.DATABASE_HOST}:{naming.DATABASE_PORT}"
    scheme = urllib.parse.urlsplit(want.slots["url"]).scheme
    return (
        *_python(PROBE),
        address,
        database_at,
        ready.how.method,
        ready.how.path,
        want.slots["host"],
        scheme,
        ready.expect,
    )


def asked_at(placed: Placed, address: str) -> tuple[str, ...]:
    """Return the health check of a release that a stack holds, put to another address of its web process."""
    program = len(_python(PROBE))
    return (*placed.health[:program], address, *placed.health[program + 1 :])


def environment(process: str, own: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment of a container of the release; `process` says what it runs, for the probe."""
    return {"CRMHOST_PROCESS": process, "HOME": naming.RUN_FOLDER, "PYTHONUNBUFFERED": "1", **own}


def _processes(recipe: Recipe, known: Mapping[str, str]) -> Iterator[Runs]:
    for process in sorted(recipe.processes, key=lambda process: process.name != "web"):
        run = fill_exec(process.run, known, f"process {process.name}")
        yield _runs(process.name, run, process.stop, Limits(process.memory_mb, process.cpus))
    if recipe.jobs:
        run = Filled((*_python(SCHEDULER), f"{naming.RELEASE_FOLDER}/{JOBS}"), {}, naming.RELEASE_FOLDER)
        yield _runs(CRON, run, 30, Limits(_SPARE_MB + sum(job.memory_mb for job in recipe.jobs), "1.0"))


def _runs(name: str, run: Filled, stop: int, limits: Limits) -> Runs:
    return Runs(name, run.argv, environment(name, run.env), run.cwd, stop, limits)


def _files(want: Want, known: Mapping[str, str]) -> Iterator[UploadFile]:
    for file in want.recipe.files_with(DATABASE):
        yield UploadFile(file.path, file.mode, fill_text(file.content, known, want.secrets, f"file {file.path}"))
    yield UploadFile(PROBE, 0o600, _own("probe.py"))
    if want.recipe.jobs:
        yield UploadFile(SCHEDULER, 0o600, _own("scheduler.py"))
        yield UploadFile(JOBS, 0o600, _jobs(want.recipe, known))


def _jobs(recipe: Recipe, known: Mapping[str, str]) -> str:
    jobs = []
    for job in recipe.jobs:
        run = fill_exec(job.run, known, f"job {job.name}")
        jobs.append({"name": job.name, "every": job.every, "argv": run.argv, "env": dict(run.env), "cwd": run.cwd})
    return json.dumps(jobs, indent=1, sort_keys=True) + "\n"


def _python(path: str) -> tuple[str, ...]:
    """Return a program of ours, which needs no package and so starts at once."""
    return (PYTHON, "-IS", f"{naming.RELEASE_FOLDER}/{path}")


def _own(name: str) -> str:
    return resources.files("infra.probe").joinpath(name).read_text("utf-8")
