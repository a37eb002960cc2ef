"""What a release is: the digests of its artifact, its configuration and its initialised database. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from crm.errors import Refused
from crm.plan import Release, Want
from crm.recipe import Arg, Exec, Http, PipLock, Recipe, Secret, Slotted
from playbooks.webhost.slots import exec_parts, used, way_parts

_LAYOUT = "1"
"""Raised when the folders of a release change their meaning, so that older releases get another name."""
JsonPart = str | dict[str, str]


def lock_of(recipe: Recipe, version: str) -> PipLock:
    """Return the hashed requirements of a version; raises Refused for what a web host cannot install yet."""
    if version not in recipe.artifacts:
        raise Refused(
            f"{recipe.id} {version} is not in the catalogue", f"it has: {', '.join(recipe.versions)} (crmhost recipes)"
        )
    artifact = recipe.artifacts[version]
    if not isinstance(artifact, PipLock):
        raise Refused(
            f"{recipe.id} {version} is an archive, which web hosts do not take in this version of crmhost",
            "take a recipe whose artifact is a Python lock",
        )
    return artifact


def artifact_digest(lock: PipLock) -> str:
    """Return the name of the lock's virtual environment: 16 hex digits over what is installed."""
    return _digest(["venv", lock.lock, lock.build, lock.python])[:16]


def release_of(want: Want) -> Release:
    """Return the release that a contract asks for: the same text for the same public configuration, on every host."""
    recipe = want.recipe
    programs = [*(p.run for p in recipe.processes), *(j.run for j in recipe.jobs)]
    derived = [way for step in recipe.steps if step.each_release for way in step.ways]
    parts: list[Arg | Secret] = [part for file in recipe.files for part in file.content]
    parts += [part for program in programs for part in exec_parts(program)]
    parts += [part for way in derived for part in way_parts(way)]
    config = _digest(
        {
            "layout": _LAYOUT,
            "artifact": artifact_digest(lock_of(recipe, want.version)),
            "files": [[file.path, file.mode, _parts(file.content)] for file in recipe.files],
            "processes": [[p.name, p.stop, _exec(p.run)] for p in recipe.processes],
            "jobs": [[job.name, job.every, _exec(job.run)] for job in recipe.jobs],
            "derived": [_exec(way) if isinstance(way, Exec) else _http(way) for way in derived],
            "slots": {name: want.slots[name] for name in sorted(used(parts)) if name in want.slots},
        }
    )
    return Release(recipe=recipe.id, version=want.version, config=config, schema=recipe.schema(want.version))


def template_key(want: Want, artifact: str) -> str:
    """Return the name of the initialised database that this contract can start from; begins with its artifact's."""
    recipe = want.recipe
    missing = sorted(set(recipe.seed) - want.slots.keys())
    if missing:
        raise Refused(f"{recipe.id}: its database depends on {', '.join(missing)}, which the contract does not say", "")
    seed = {name: want.slots[name] for name in sorted(recipe.seed)}
    steps = [
        [step.name, [_exec(way) if isinstance(way, Exec) else _http(way) for way in step.ways]]
        for step in recipe.steps
        if step.phase == "initialise" and not step.each_release
    ]
    return f"{artifact}-{_digest([recipe.id, want.version, recipe.schema(want.version), seed, steps])[:16]}"


def _digest(value: object) -> str:
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


def _exec(program: Exec) -> dict[str, object]:
    return {
        "argv": _parts(program.argv),
        "stdin": _parts(program.stdin),
        "env": {name: _part(value) for name, value in program.env.items()},
        "cwd": None if program.cwd is None else _part(program.cwd),
    }


def _http(request: Http) -> Mapping[str, object]:
    form = {name: _parts(text) for name, text in request.form.items()}
    return {"method": request.method, "path": request.path, "form": form}
