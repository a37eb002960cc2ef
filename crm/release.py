"""What a release is: digests of its artifact, its configuration and its initialised database. Pure.

A driver adds what else the release gets on its kind of target, and what the numbers of its layout are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from crm.errors import Refused
from crm.plan import Want
from crm.recipe import Arg, Database, Exec, Http, PipLock, Recipe, Secret, Slotted
from crm.slots import exec_parts, used, way_parts

JsonPart = str | dict[str, str]


def lock_of(recipe: Recipe, version: str, database: Database) -> PipLock:
    """Return the hashed requirements of a version with that database; raises Refused for what cannot be installed."""
    if version not in recipe.artifacts:
        raise Refused(
            f"{recipe.id} {version} is not in the catalogue", f"it has: {', '.join(recipe.versions)} (crmhost recipes)"
        )
    artifact = recipe.artifacts[version]
    if not isinstance(artifact, PipLock):
        raise Refused(
            f"{recipe.id} {version} is an archive, which no target takes in this version of crmhost",
            "take a recipe whose artifact is a Python lock",
        )
    return artifact.on(database)


def artifact_digest(lock: PipLock) -> str:
    """Return the name of the lock's virtual environment: 16 hex digits over what is installed."""
    return digest(["venv", lock.lock, lock.build, lock.python])[:16]


def configuration(want: Want, database: Database) -> Mapping[str, object]:
    """Return, as JSON, the public configuration that every target gives a release: with *names* of secrets only.

    It has what the release's own programs see. A slot that only other steps use (the administrator's name) makes no
    other release, and so is left out.
    """
    recipe = want.recipe
    files = recipe.files_with(database)
    programs = [*(p.run for p in recipe.processes), *(j.run for j in recipe.jobs)]
    derived = [way for step in recipe.steps if step.each_release for way in step.ways]
    parts: list[Arg | Secret] = [part for file in files for part in file.content]
    parts += [part for program in programs for part in exec_parts(program)]
    parts += [part for way in derived for part in way_parts(way)]
    return {
        "artifact": artifact_digest(lock_of(recipe, want.version, database)),
        "files": [[file.path, file.mode, _parts(file.content)] for file in files],
        "processes": [[p.name, p.stop, _exec(p.run)] for p in recipe.processes],
        "jobs": [[job.name, job.every, _exec(job.run)] for job in recipe.jobs],
        "derived": [_way(way) for way in derived],
        "slots": {name: want.slots[name] for name in sorted(used(parts)) if name in want.slots},
    }


def template_key(want: Want, artifact: str) -> str:
    """Return the name of the initialised database that this contract can start from; begins with its artifact's."""
    recipe = want.recipe
    missing = sorted(set(recipe.seed) - want.slots.keys())
    if missing:
        raise Refused(f"{recipe.id}: its database depends on {', '.join(missing)}, which the contract does not say", "")
    seed = {name: want.slots[name] for name in sorted(recipe.seed)}
    steps = [
        [step.name, [_way(way) for way in step.ways]]
        for step in recipe.steps
        if step.phase == "initialise" and not step.each_release
    ]
    return f"{artifact}-{digest([recipe.id, want.version, recipe.schema(want.version), seed, steps])[:16]}"


def digest(value: object) -> str:
    """Return the SHA-256 (hex) of a JSON value, the same for the same value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _part(part: Arg | Secret) -> JsonPart:
    match part:
        case Secret(name):
            return {"secret": name}
        case Slotted(template):
            return {"slots": template}
        case text:
            return text


def _parts(parts: Iterable[Arg | Secret]) -> list[JsonPart]:
    return [_part(part) for part in parts]


def _way(way: Exec | Http) -> Mapping[str, object]:
    return _exec(way) if isinstance(way, Exec) else _http(way)


def _exec(program: Exec) -> Mapping[str, object]:
    return {
        "argv": _parts(program.argv),
        "stdin": _parts(program.stdin),
        "env": {name: _part(value) for name, value in program.env.items()},
        "cwd": None if program.cwd is None else _part(program.cwd),
    }


def _http(request: Http) -> Mapping[str, object]:
    form = {name: _parts(text) for name, text in request.form.items()}
    return {"method": request.method, "path": request.path, "form": form}
