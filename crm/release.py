"""What a release is: digests of its artifact, its configuration and its initialised database. Pure.

A driver adds what else the release gets on its kind of target, and what the numbers of its layout are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from crm.errors import Refused
from crm.plan import Want
from crm.recipe import Archive, Arg, Artifact, Database, Exec, Http, PipLock, Recipe, Secret, Slotted
from crm.slots import exec_parts, used, way_parts

JsonPart = str | dict[str, str]


def artifact_of(recipe: Recipe, version: str, database: Database) -> Artifact:
    """Return what a version is made of with that database; raises Refused for one that is unknown or not pinned."""
    if version not in recipe.artifacts:
        raise Refused(
            f"{recipe.id} {version} is not in the catalogue", f"it has: {', '.join(recipe.versions)} (crmhost recipes)"
        )
    match recipe.artifacts[version]:
        case PipLock() as lock:
            return lock.on(database)
        case Archive(url=url, sha256=""):
            raise Refused(
                f"{recipe.id} {version}: its recipe has no checksum for the archive {url}",
                f"Fetch it, compare it with what {recipe.title} publishes, and write what sha256sum says of it into"
                f" crmhost.yaml: archives: [{{of: {pin_name(recipe.id, version)}, sha256: …}}]",
            )
        case Archive() as archive:
            return archive


def lock_of(recipe: Recipe, version: str, database: Database) -> PipLock:
    """Return the hashed requirements of a version with that database; raises Refused for what is no Python package."""
    artifact = artifact_of(recipe, version, database)
    if not isinstance(artifact, PipLock):
        raise Refused(
            f"{recipe.id} {version} is an archive, which this kind of target does not take",
            f"It suits {', '.join(recipe.targets)}: crmhost recipes {recipe.id}",
        )
    return artifact


def pin_name(recipe_id: str, version: str) -> str:
    """Return the name under which a fleet pins the archive of a version."""
    return f"{recipe_id}-{version}"


def pinned(recipe: Recipe, pins: Mapping[str, str]) -> Recipe:
    """Return the recipe with the fleet's own checksums, by `pin_name`; raises Refused for one that contradicts it."""
    artifacts = dict(recipe.artifacts)
    for version, artifact in recipe.artifacts.items():
        sha256 = pins.get(pin_name(recipe.id, version), "")
        if not sha256 or not isinstance(artifact, Archive):
            continue
        if artifact.sha256 not in ("", sha256):
            raise Refused(
                f"crmhost.yaml: archives: {pin_name(recipe.id, version)}: found the sha256 {sha256},"
                f" and the recipe says {artifact.sha256}",
                "Leave it out; if the project has published another archive under the same name, find out why.",
            )
        artifacts[version] = replace(artifact, sha256=sha256)
    return replace(recipe, artifacts=artifacts)


def artifact_digest(artifact: Artifact) -> str:
    """Return the name of an artifact's folder: 16 hex digits over what is in it, wherever that came from."""
    match artifact:
        case PipLock(lock=lock, build=build, python=python):
            return digest(["venv", lock, build, python])[:16]
        case Archive(sha256=sha256, strip=strip):
            return digest(["archive", sha256, strip])[:16]


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
    by_url = {job.name: _http(job.by_url.how) for job in recipe.jobs if job.by_url and isinstance(job.by_url.how, Http)}
    more = {  # only where a recipe says it, so that the releases of the others keep their names
        "served": [recipe.web_root, sorted(recipe.kept.items())] if recipe.web_root or recipe.kept else None,
        "wsgi": {p.name: p.wsgi for p in recipe.processes if p.wsgi},
        "by-url": by_url,
    }
    return {
        "artifact": artifact_digest(artifact_of(recipe, want.version, database)),
        "files": [[file.path, file.mode, _parts(file.content)] for file in files],
        "processes": [[p.name, p.stop, _exec(p.run)] for p in recipe.processes],
        "jobs": [[job.name, job.every, _exec(job.run)] for job in recipe.jobs],
        "derived": [_way(way) for way in derived],
        "slots": {name: want.slots[name] for name in sorted(used(parts)) if name in want.slots},
        **{key: value for key, value in more.items() if value},
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
