"""What makes another release, and what does not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from crm.errors import Refused
from crm.recipe import Archive, File, PipLock, Recipe, Slotted
from crm.release import artifact_digest, template_key
from playbooks.manifest import Front
from playbooks.webhost.front import refusal
from playbooks.webhost.layout import Layout
from playbooks.webhost.release import artifact_of, release_of
from tests.support.phpapp.recipe import RECIPE as GUESTBOOK
from tests.support.smallapp.recipe import RECIPE
from tests.support.wants import small_want


def test_the_same_contract_is_the_same_release() -> None:
    assert release_of(small_want()) == release_of(small_want())
    assert release_of(small_want()).id.startswith("smallapp-1.0-")


def test_a_slot_that_the_configuration_shows_makes_another_release() -> None:
    assert release_of(small_want()).config != release_of(small_want(language="fa")).config
    assert release_of(small_want()).config != release_of(small_want(listen="127.0.0.1:8200")).config


def test_a_slot_that_only_steps_use_does_not() -> None:
    assert release_of(small_want()) == release_of(small_want(admin="boss", email="boss@acme.example"))


def test_a_secret_counts_by_its_name_alone() -> None:
    assert release_of(small_want()) == release_of(
        small_want(secrets={"admin-password": "other", "secret-key": "another"})
    )


@pytest.mark.parametrize("change", ["content", "mode", "path"])
def test_any_word_of_the_recipe_counts(change: str) -> None:
    want = small_want()
    one = File("one.txt", (Slotted("{data}"),))
    other = {"content": File("one.txt", ("{data}",)), "mode": replace(one, mode=0o644), "path": replace(one, path="t")}
    first, second = (
        release_of(replace(want, recipe=replace(want.recipe, files=(file,)))) for file in (one, other[change])
    )
    assert first.config != second.config


def test_another_lock_is_another_release() -> None:
    want = small_want()
    locks = {**want.recipe.artifacts, "1.0": PipLock("# other\n", ((3, 10), (4, 0)))}
    assert release_of(want) != release_of(replace(want, recipe=replace(want.recipe, artifacts=locks)))


def test_a_template_depends_on_the_seed_slots_and_no_others() -> None:
    digest = artifact_digest(artifact_of(small_want()))
    assert template_key(small_want(), digest) == template_key(
        small_want(url="https://other.example", admin="boss"), digest
    )
    assert template_key(small_want(), digest) != template_key(small_want(language="fa"), digest)
    assert template_key(small_want(), digest) != template_key(small_want("1.1"), digest)
    assert template_key(small_want(), digest) != template_key(small_want(), "another")


def archive(sha256: str) -> Archive:
    return Archive("https://example.invalid/x.tgz", sha256)


def test_what_a_web_host_cannot_install_is_refused() -> None:
    with pytest.raises(Refused, match=r"smallapp 9 is not in the catalogue"):
        release_of(small_want("9"))
    with pytest.raises(Refused, match="has no checksum for the archive"):
        release_of(replace(small_want(), recipe=replace(RECIPE, artifacts={"1.0": archive("")})))


@pytest.mark.parametrize(
    ("front", "recipe", "why"),
    [
        ("process", replace(RECIPE, artifacts={"1.0": archive("0" * 64)}), "is a PHP application: write 'front: php'"),
        (
            "passenger",
            replace(RECIPE, artifacts={"1.0": archive("0" * 64)}),
            "is a PHP application: write 'front: php'",
        ),
        ("passenger", replace(RECIPE, processes=()), "says no WSGI application"),
        ("process", replace(RECIPE, processes=()), "has no process called web"),
        ("php", RECIPE, "is no PHP application"),
        (
            "process",
            replace(RECIPE, databases=("postgresql",)),
            r"does not run on a file \('database: {kind: sqlite}'\)",
        ),
    ],
)
def test_a_front_that_cannot_serve_the_recipe_is_refused_with_what_to_write(
    front: Front, recipe: Recipe, why: str
) -> None:
    reason = refusal(recipe, Layout("/home/acme", "acme", front, "public_html"))
    assert reason is not None
    assert re.search(why, reason)


def test_what_each_front_serves_is_not_refused() -> None:
    assert refusal(RECIPE, Layout("/home/acme", "acme")) is None
    assert refusal(RECIPE, Layout("/home/acme", "acme", "passenger", "public_html")) is None
    assert refusal(GUESTBOOK, Layout("/home/acme", "acme", "php", "public_html", "mysql")) is None
