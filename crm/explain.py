"""What a recipe answers, in words: one row for each question that hosting a CRM raises. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from crm.recipe import (
    Archive,
    Artifact,
    Ask,
    Exec,
    Http,
    Job,
    Phase,
    Php,
    PipLock,
    Recipe,
    Recorded,
    Secret,
    Slotted,
    Sql,
    Step,
    Text,
)

Row = tuple[str, str]
_AGAIN = {
    "safe": "when it was interrupted, it is run once more",
    "restore": "when it was interrupted, the database goes back to what it was before",
    "never": "when it was interrupted, a person decides",
}


_SAME = "only to a version of the same schema"


def explain(recipe: Recipe) -> tuple[Row, ...]:
    """Return (question, answer) rows for people; nothing in them is secret."""
    return (*_facts(recipe), *_deploying(recipe), *_keeping(recipe), ("evidence", recipe.evidence or "none"))


def _facts(recipe: Recipe) -> tuple[Row, ...]:
    return (
        ("id", recipe.id),
        ("name", recipe.title),
        ("versions", ", ".join(recipe.versions)),
        ("licence", recipe.licence),
        ("may be hosted for others", recipe.may_host),
        ("runtime", _joined({_runtime(artifact) for artifact in recipe.artifacts.values()})),
        ("databases", _joined(recipe.databases)),
        ("suits", _joined(recipe.targets)),
        ("needs", _joined(recipe.needs)),
        ("memory", f"{recipe.memory_mb} MB"),
        ("limits", _limits(recipe)),
        ("redis", "one of its own, where the target gives it" if recipe.redis else "none"),
        ("document root", _document_root(recipe)),
        ("writable paths", _joined(_writable(recipe, folder) for folder in recipe.folders)),
        ("secrets", _joined(recipe.secrets)),
    )


def _deploying(recipe: Recipe) -> tuple[Row, ...]:
    return (
        ("fetch", _joined(f"{version}: {_source(artifact)}" for version, artifact in recipe.artifacts.items())),
        ("configuration", _joined(f"{file.path} ({file.mode:04o})" for file in recipe.files)),
        *_steps(recipe, "initialise"),
        *_steps(recipe, "admin"),
        ("default accounts", f"refused: {_joined(name for name, _ in recipe.login.default_accounts)}"),
        ("processes", _joined(f"{process.name}: {_program(process.run)}" for process in recipe.processes)),
        ("jobs", _joined(_job(job) for job in recipe.jobs)),
        ("is it alive", _ask(recipe.live)),
        ("does it reach its database", _ask(recipe.ready)),
        ("active users", f"{_ask(recipe.users)}; own limit: {recipe.user_limit or 'none'}"),
    )


def _keeping(recipe: Recipe) -> tuple[Row, ...]:
    kept = (*(("database",) if recipe.backup.database else ()), *(f"{{data}}/{path}" for path in recipe.backup.paths))
    upgrade = _joined(step.name for step in recipe.steps if step.phase == "upgrade")
    newest = recipe.versions[-1]
    return (
        ("backup", f"{_joined(kept)}; keys: {_joined(recipe.backup.keys)}"),
        ("schema", _joined(f"{version} needs {recipe.schema(version)}" for version in recipe.versions)),
        ("upgrade path", _joined(f"{old} → {' → '.join(recipe.path(old, newest))}" for old in recipe.versions[:-1])),
        ("upgrade", f"steps {upgrade}, between a backup and the gate" if upgrade != "none" else _SAME),
        *_steps(recipe, "upgrade"),
        ("export", "the backup is all of the customer's data, and its keys open it"),
        ("purge", "crmhost destroy removes processes, releases, database and folders"),
    )


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(sorted(parts) if isinstance(parts, set) else parts) or "none"


def _runtime(artifact: Artifact) -> str:
    match artifact:
        case PipLock(python=(oldest, too_new)):
            return f"Python ≥ {oldest[0]}.{oldest[1]}, < {too_new[0]}.{too_new[1]}"
        case Archive(php=Php(versions=(oldest, too_new), extensions=extensions)):
            needed = f"PHP ≥ {oldest[0]}.{oldest[1]}, < {too_new[0]}.{too_new[1]}"
            return f"{needed} with {', '.join(extensions)}" if extensions else needed
        case Archive():
            return "that of the archive's code"


def _source(artifact: Artifact) -> str:
    match artifact:
        case PipLock(lock=lock, drivers=drivers):
            more = "".join(f", {_packages(extra)} more for {database}" for database, extra in sorted(drivers.items()))
            return f"virtual environment of {_packages(lock)} packages pinned by hash{more}"
        case Archive(url=url, sha256=""):
            return f"{url}, whose SHA-256 the fleet has to say"
        case Archive(url=url, sha256=sha256):
            return f"{url} with SHA-256 {sha256}"


def _packages(lock: str) -> int:
    return sum("==" in line for line in lock.splitlines() if not line.startswith((" ", "#")))


def _limits(recipe: Recipe) -> str:
    processes = [f"{process.name}: {process.memory_mb} MB, {process.cpus} CPU" for process in recipe.processes]
    return "; ".join((*processes, *(f"{job.name}: {job.memory_mb} MB" for job in recipe.jobs)))


def _writable(recipe: Recipe, folder: str) -> str:
    linked = [f"{{app}}/{path}" for path, kept in recipe.kept.items() if kept == folder]
    return f"{{data}}/{folder}" + (f" (at {_joined(linked)})" if linked else "")


def _document_root(recipe: Recipe) -> str:
    if all(process.name != "web" for process in recipe.processes):
        return f"{{app}}/{recipe.web_root}".rstrip("/") + ", which the host's own PHP serves"
    used = any(file.path.startswith("public/") for file in recipe.files)
    return "{public}" if used else "none: the web process serves everything"


def _job(job: Job) -> str:
    by_url = f", or by URL {_way(job.by_url.how)}" if job.by_url is not None else ""
    return f"{job.name}: every {job.every} min {_program(job.run)}{by_url}"


def _steps(recipe: Recipe, phase: Phase) -> tuple[Row, ...]:
    return tuple((f"{phase}: {step.name}", _step(step)) for step in recipe.steps if step.phase == phase)


def _step(step: Step) -> str:
    guard = "its record says so" if isinstance(step.done, Recorded) else _ask(step.done)
    often = " (for each release)" if step.each_release else ""
    return f"{step.summary}{often}; done when {guard}; succeeds with /{step.ok}/; {_AGAIN[step.again]}"


def _ask(ask: Ask) -> str:
    return f"{_way(ask.how)} answers /{ask.expect}/"


def _way(way: Exec | Http | Sql) -> str:
    match way:
        case Exec():
            return _program(way)
        case Http(method=method, path=path):
            return f"{method} {path}"
        case Sql(query=query):
            return query


def _program(program: Exec) -> str:
    stdin = f" < {_text(program.stdin)}" if program.stdin else ""
    return " ".join(arg.template if isinstance(arg, Slotted) else arg for arg in program.argv) + stdin


def _text(text: Text) -> str:
    shown = (f"<{part.name}>" if isinstance(part, Secret) else _shown(part) for part in text)
    return "".join(shown).replace("\n", " ").strip()


def _shown(part: str | Slotted) -> str:
    return part.template if isinstance(part, Slotted) else part
