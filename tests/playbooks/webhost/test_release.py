"""What makes another release, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crm.errors import Refused
from crm.recipe import Archive, File, PipLock, Slotted
from crm.release import artifact_digest, template_key
from playbooks.webhost.release import lock_of, release_of
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
    digest = artifact_digest(lock_of(small_want()))
    assert template_key(small_want(), digest) == template_key(
        small_want(url="https://other.example", admin="boss"), digest
    )
    assert template_key(small_want(), digest) != template_key(small_want(language="fa"), digest)
    assert template_key(small_want(), digest) != template_key(small_want("1.1"), digest)
    assert template_key(small_want(), digest) != template_key(small_want(), "another")


def test_what_a_web_host_cannot_install_is_refused() -> None:
    with pytest.raises(Refused, match=r"smallapp 9 is not in the catalogue"):
        release_of(small_want("9"))
    archive = replace(small_want().recipe, artifacts={"1.0": Archive("https://example.invalid/x.tgz", "0" * 64)})
    with pytest.raises(Refused, match="is an archive"):
        lock_of(replace(small_want(), recipe=archive))
