"""What every recipe must keep, whatever the CRM. A new recipe is tested by standing in the catalogue."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from crm.catalogue import all_recipes, explain
from crm.errors import Refused
from crm.plan import Release, Want
from crm.recipe import (
    DATABASE_PASSWORD,
    SLOTS,
    Archive,
    Arg,
    Ask,
    Exec,
    File,
    Http,
    PipLock,
    Recipe,
    Secret,
    Slotted,
    Sql,
    Step,
)
from crm.release import artifact_of, configuration, pin_name, pinned
from crm.slots import login_parts, script_of
from infra.release import SECRETS, place
from infra.release import release_of as infra_release_of
from infra.settings import Images
from playbooks.webhost.layout import Layout
from playbooks.webhost.release import release_of
from playbooks.webhost.slots import values
from tests.support.smallapp.recipe import RECIPE as SMALLAPP
from tests.support.wordpress.recipe import RECIPE as WORDPRESS

PAGE = Path(__file__).parents[2] / "docs" / "add-a-crm.md"


def from_the_docs() -> Recipe:
    """Return the whole recipe that the docs show, made by running what they say."""
    code = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[-1]
    assert code.count("\n") < 150, "the docs promise less than that"
    told: dict[str, Recipe] = {}
    exec(compile(code, str(PAGE), "exec"), told)  # noqa: S102 - our own page
    return told["RECIPE"]


RECIPES = (*all_recipes(), SMALLAPP, WORDPRESS, from_the_docs())
ARCHIVES = [recipe for recipe in RECIPES if isinstance(recipe.artifacts[recipe.versions[-1]], Archive)]
CONTRACT_SLOTS = {
    "url": "https://crm.acme.example", "host": "crm.acme.example", "listen": "127.0.0.1:8100", "language": "vi",
    "timezone": "Asia/Ho_Chi_Minh", "admin": "admin", "email": "it@acme.example",
}  # fmt: skip
QUESTIONS = {
    "id", "versions", "licence", "may be hosted for others", "runtime", "databases", "suits", "needs", "memory",
    "limits", "redis", "document root", "writable paths", "secrets", "fetch", "configuration", "processes",
    "is it alive", "does it reach its database", "active users", "backup", "upgrade path", "upgrade", "export", "purge",
}  # fmt: skip
"""The table at the end of the facts that the catalogue was made from; the steps have rows of their own."""

pytestmark = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.id)


def asks(recipe: Recipe) -> Iterator[Ask]:
    yield from (recipe.live, recipe.ready, recipe.users)
    yield from (job.by_url for job in recipe.jobs if job.by_url is not None)
    yield from (step.done for step in recipe.steps if isinstance(step.done, Ask))


def ways(recipe: Recipe) -> Iterator[Exec | Http]:
    yield from itertools.chain.from_iterable(step.ways for step in recipe.steps)
    yield from (process.run for process in recipe.processes)
    yield from (job.run for job in recipe.jobs)
    yield from (ask.how for ask in asks(recipe) if not isinstance(ask.how, Sql))


def public_parts(recipe: Recipe) -> Iterator[Arg]:
    """Everything that a process list, an environment or a log of requests may show."""
    for way in ways(recipe):
        if isinstance(way, Exec):
            yield from (*way.argv, *way.env.values(), *(() if way.cwd is None else (way.cwd,)))


def private_parts(recipe: Recipe) -> Iterator[Arg | Secret]:
    for way in ways(recipe):
        yield from way.stdin if isinstance(way, Exec) else itertools.chain.from_iterable(way.form.values())
    yield from itertools.chain.from_iterable(file.content for file in recipe.files)
    yield from login_parts(recipe.login)


def test_a_web_host_can_fill_every_slot(recipe: Recipe) -> None:
    version = recipe.versions[-1]
    want = Want("acme", pinned(recipe, pins(recipe)), version, CONTRACT_SLOTS, {})
    release = Release(recipe.id, version, "0" * 64, recipe.schema(version))
    known = values(Layout("/home/acme", "acme"), want, release, "0" * 16).keys()
    parts = (*public_parts(recipe), *private_parts(recipe))
    used = {name for part in parts if isinstance(part, Slotted) for name in part.slots()} | set(recipe.seed)
    assert used <= known


def test_no_secret_is_public(recipe: Recipe) -> None:
    assert not any(isinstance(part, Secret) for part in public_parts(recipe))
    files = [file for file in recipe.files if any(isinstance(part, Secret) for part in file.content)]
    assert all(file.mode & 0o077 == 0 for file in files)


def test_secrets_are_declared_used_and_kept_with_the_backup(recipe: Recipe) -> None:
    used = {part.name for part in private_parts(recipe) if isinstance(part, Secret)} - {DATABASE_PASSWORD.name}
    assert used == set(recipe.secrets)
    assert set(recipe.backup.keys) <= used
    in_files = {part.name for file in recipe.files for part in file.content if isinstance(part, Secret)}
    # What the running CRM works with, a restore needs; but for the password of a server that is there or made anew.
    assert in_files - {DATABASE_PASSWORD.name} == set(recipe.backup.keys)


def test_patterns_are_regular_expressions(recipe: Recipe) -> None:
    patterns = [ask.expect for ask in asks(recipe)] + [step.ok for step in recipe.steps]
    for pattern in (*patterns, recipe.login.success, recipe.login.failure):
        assert not re.search(pattern, "", re.DOTALL), f"{pattern!r} also matches silence"


def test_every_version_has_a_pinned_artifact_and_a_schema(recipe: Recipe) -> None:
    assert recipe.versions
    assert recipe.artifacts.keys() == set(recipe.versions)
    for version in recipe.versions:
        assert recipe.schema(version) == recipe.schema(version)
        assert isinstance(recipe.schema(version), str)


def test_locks_have_a_hash_for_each_package_and_no_address(recipe: Recipe) -> None:
    locks = [artifact for artifact in recipe.artifacts.values() if isinstance(artifact, PipLock)]
    for text in itertools.chain.from_iterable((lock.lock, lock.build) for lock in locks):
        assert "://" not in text
        assert "--index-url" not in text
        requirements = re.sub(r"\\\n", " ", text).splitlines()
        packages = [line for line in requirements if line.strip() and not line.lstrip().startswith("#")]
        assert all(re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line) for line in packages)


def test_the_path_between_versions_ends_in_the_new_one(recipe: Recipe) -> None:
    for old, new in itertools.pairwise(recipe.versions):
        assert recipe.path(old, new)[-1] == new
    with pytest.raises((Refused, KeyError)):
        recipe.schema("no version")


def test_there_are_steps_for_tables_and_administrator_and_their_names_are_unique(recipe: Recipe) -> None:
    names = [step.name for step in recipe.steps]
    assert len(names) == len(set(names))
    assert {"initialise", "admin"} <= {step.phase for step in recipe.steps}
    assert all(step.ways and step.summary and step.timeout > 0 for step in recipe.steps)
    assert not any(step.again == "restore" and step.phase == "admin" for step in recipe.steps)


def test_only_a_record_can_tell_a_step_that_must_not_run_on_what_it_left(recipe: Recipe) -> None:
    """A question knows done and not done; that a step was begun, only its record knows."""
    unsafe = [step for step in recipe.steps if step.again != "safe" and step.phase != "upgrade"]
    assert not [step.name for step in unsafe if isinstance(step.done, Ask)]


def test_ready_is_more_than_live(recipe: Recipe) -> None:
    assert recipe.live != recipe.ready
    assert isinstance(recipe.ready.how, Http)
    assert not recipe.ready.holds("200 <h1>Index of /</h1>")
    assert not recipe.ready.holds("500 <h1>Server Error</h1>")
    assert not recipe.live.holds("0 connection refused")


def test_users_is_one_integer(recipe: Recipe) -> None:
    for answer, good in (
        ("0", True),
        ("12", True),
        ("", False),
        ("-1", False),
        ("1.5", False),
        ("no such table", False),
    ):
        assert recipe.users.holds(answer) is good


def test_the_login_is_that_of_the_administrator(recipe: Recipe) -> None:
    parts = login_parts(recipe.login)
    assert parts.count(Secret("admin-password")) == 1
    assert {name for part in parts if isinstance(part, Slotted) for name in part.slots()} <= {"admin", "email"}
    given = {part for way in ways(recipe) if isinstance(way, Exec) for part in way.stdin if isinstance(part, Secret)}
    assert Secret("admin-password") in given
    assert recipe.login.failure != recipe.login.success


def test_the_customers_administrator_is_no_default_account(recipe: Recipe) -> None:
    assert CONTRACT_SLOTS["admin"] not in {name for name, _ in recipe.login.default_accounts}


def test_one_process_is_the_web_and_names_are_unique(recipe: Recipe) -> None:
    names = [process.name for process in recipe.processes] + [job.name for job in recipe.jobs]
    assert len(names) == len(set(names))
    web = [process for process in recipe.processes if process.name == "web"]
    assert len(web) == (0 if recipe in ARCHIVES else 1)  # the host's own PHP serves an archive
    assert all(any(isinstance(arg, Slotted) and "listen" in arg.slots() for arg in each.run.argv) for each in web)
    assert all(0 < process.stop <= 60 for process in recipe.processes)
    assert all(job.every >= 1 for job in recipe.jobs)
    taken = {"db", "redis", "cron", "files", "run", "data", "lock", "journal", "step", "ask", "network"}
    assert not taken & set(names)  # what else has a name of its own on a Docker host


def test_the_cloud_can_place_every_version(recipe: Recipe) -> None:
    images = Images("python", "postgresql", "redis", "caddy")
    secrets = dict.fromkeys((*recipe.secrets, *SECRETS), "made up")
    for version in recipe.versions if "cloud" in recipe.targets else ():
        want = Want("acme", recipe, version, CONTRACT_SLOTS, secrets)
        placed = place(want, infra_release_of(want, images), "sha256:image", "a")
        assert all(runs.limits.memory_mb <= 2 * recipe.memory_mb for runs in placed.processes)
        assert placed.health[-1] == recipe.ready.expect


def test_paths_stay_in_their_folders(recipe: Recipe) -> None:
    paths = [file.path for file in recipe.files] + list(recipe.folders) + list(recipe.backup.paths)
    for path in map(PurePosixPath, paths):
        assert not path.is_absolute()
        assert ".." not in path.parts
    assert set(recipe.backup.paths) | set(recipe.kept.values()) <= set(recipe.folders)
    assert len({file.path for file in recipe.files}) == len(recipe.files)


def test_a_release_is_named_by_what_the_customer_can_see(recipe: Recipe) -> None:
    known = pinned(recipe, pins(recipe))

    def name(**slots: str) -> str:
        want = Want("acme", known, recipe.versions[0], {**CONTRACT_SLOTS, **slots}, {"x": "secret"})
        if recipe in ARCHIVES:
            return str(configuration(want, recipe.databases[0]))
        return release_of(want).id

    assert name() == name()
    assert name() != name(url="https://other.example")


def test_explain_answers_every_question_and_shows_no_code(recipe: Recipe) -> None:
    rows = dict(explain(recipe))
    assert rows.keys() >= QUESTIONS
    assert all(answer.strip() and len(answer) < 700 for answer in rows.values())
    assert {f"{step.phase}: {step.name}" for step in recipe.steps} <= rows.keys()


def test_says_whether_it_may_be_hosted_and_what_was_run(recipe: Recipe) -> None:
    assert recipe.may_host.startswith(("yes", "no"))
    assert recipe.evidence
    assert recipe.licence
    assert recipe.memory_mb > 0
    assert recipe.databases


def test_files_hold_text_that_survives_any_value(recipe: Recipe) -> None:
    """A secret or a path may hold quotes: so it stands alone in its file, or on a line of `name = value`."""

    def lonely(file: File) -> bool:
        return len(file.content) == 1 and isinstance(file.content[0], Secret)

    for file in recipe.files:
        if any(isinstance(part, Secret) for part in file.content):
            assert lonely(file), file.path


def test_every_way_of_a_step_can_be_run_or_requested(recipe: Recipe) -> None:
    def good(step: Step) -> bool:
        return all(way.path.startswith("/") if isinstance(way, Http) else bool(way.argv) for way in step.ways)

    assert all(good(step) for step in recipe.steps)


def pins(recipe: Recipe) -> dict[str, str]:
    """Return a made-up checksum for each archive that a fleet has to pin."""
    return {
        pin_name(recipe.id, version): f"{len(version):064x}"
        for version, artifact in recipe.artifacts.items()
        if isinstance(artifact, Archive) and not artifact.sha256
    }


def test_an_archive_that_nobody_pinned_is_refused_with_what_to_write(recipe: Recipe) -> None:
    """A recipe whose archive could not be fetched where it was written has no checksum, and says how to give one."""
    for version, artifact in recipe.artifacts.items():
        if not isinstance(artifact, Archive) or artifact.sha256:
            continue
        with pytest.raises(Refused) as refused:
            artifact_of(recipe, version, recipe.databases[0])
        assert f"archives: [{{of: {recipe.id}-{version}, sha256: …}}]" in refused.value.remedy
        known = artifact_of(pinned(recipe, pins(recipe)), version, recipe.databases[0])
        assert known == replace(artifact, sha256=pins(recipe)[f"{recipe.id}-{version}"])
        assert "not run: the project's own archive" in recipe.evidence


def test_every_step_of_an_archive_can_be_done_with_and_without_a_shell(recipe: Recipe) -> None:
    """Each way of it is a PHP file of the release, whose input is a text; so a host's own page can run it as well."""
    if recipe not in ARCHIVES:
        return
    files = {file.path for file in recipe.files}
    for run in (*(way for step in recipe.steps for way in step.ways), *(job.run for job in recipe.jobs)):
        script = script_of(run)
        assert script in files
        assert script is not None
        assert not script.startswith("app/"), f"{script} could be asked for by anybody"


def test_php_reads_its_input_where_it_is_run_and_never_from_arguments(recipe: Recipe) -> None:
    """The same file runs with PHP's program and in a page of a host without a shell."""
    if recipe not in ARCHIVES:
        return
    text = {file.path: "".join(str(part) for part in file.content) for file in recipe.files}
    scripts = {script_of(way) for step in recipe.steps for way in step.ways if isinstance(way, Exec) and way.stdin}
    for script in scripts:
        assert script is not None
        code = text[script] + "".join(text[name] for name in text if f"/{name}'" in text[script])
        assert "PHP_SAPI === 'cli' ? 'php://stdin' : 'php://input'" in code
        assert "$_SERVER['argv']" not in code


def test_what_an_archive_keeps_lies_in_the_tree_and_its_secrets_do_not(recipe: Recipe) -> None:
    for path in recipe.kept:
        assert not PurePosixPath(path).is_absolute()
        assert ".." not in PurePosixPath(path).parts
    secret = [file.path for file in recipe.files if any(isinstance(part, Secret) for part in file.content)]
    assert not [path for path in secret if path.startswith("app/")], "the web server may serve what lies there"
    kept = tuple(f"app/{path}/" for path in recipe.kept)
    assert not [file.path for file in recipe.files if file.path.startswith(kept)], "a link is there, for all releases"
    assert recipe in ARCHIVES or not (recipe.kept or recipe.web_root)


def test_a_needed_php_has_an_end_and_a_driver_for_the_database(recipe: Recipe) -> None:
    for artifact in recipe.artifacts.values():
        if isinstance(artifact, Archive):
            assert artifact.php is not None
            oldest, too_new = artifact.php.versions
            assert oldest < too_new
            assert "mysql" not in recipe.databases or {"mysqli", "pdo_mysql"} & set(artifact.php.extensions)


def test_no_slot_is_unknown(recipe: Recipe) -> None:
    parts = (*public_parts(recipe), *private_parts(recipe))
    assert {name for part in parts if isinstance(part, Slotted) for name in part.slots()} <= SLOTS
