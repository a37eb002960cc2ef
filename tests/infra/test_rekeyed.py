"""Secrets that the fleet has changed: named without a word of them, and what a stack becomes by them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crm.recipe import DATABASE_PASSWORD, Secret, Slotted
from infra import expected, moves, naming, release
from infra.drift import drift
from infra.engine.seen import Seen, SeenNetwork
from infra.moves import Services
from infra.plan import same
from infra.rekeyed import differing, rekeyed
from infra.rollout import PASSWORD, Rollout, Service, UploadFile, decode, encode
from infra.settings import Images
from tests.infra.test_drift import healthy
from tests.support.released import cloud_want
from tests.support.rollouts import DATABASE, NEW, OLD

A, B = Secret("a"), Secret("b")
TEXT = ("key = '", A, "'\nserver = ", Slotted("{host}"), "\npassword = '", B, "'\n")
SECRETS = {"a": "1", "b": "correct"}
GIVEN = Images("sha256:python", "sha256:postgresql", "sha256:redis", "sha256:ingress")


def text(a: str, b: str) -> str:
    return f"key = '{a}'\nserver = crm\npassword = '{b}'\n"


@pytest.mark.parametrize(
    ("then", "names"),
    [
        (text("2", "correct"), ("a",)),
        (text("1", "horse"), ("b",)),
        (text("2", "horse"), ("a", "b")),
        (text("correct", "1"), ("a", "b")),
        ("something else", ("a", "b")),
    ],
)
def test_a_file_tells_which_of_its_secrets_was_another(then: str, names: tuple[str, ...]) -> None:
    assert differing(TEXT, then, {"host": "crm"}, SECRETS) == names


def rollout(**secrets: str) -> Rollout:
    want = cloud_want("acme")
    want = replace(want, secrets={**want.secrets, **secrets})
    placed = release.place(want, release.release_of(want, GIVEN), "sha256:crm", "a")
    return Rollout("acme", release.database(want, GIVEN), None, (placed,), placed.release.id)


@pytest.mark.parametrize("name", ["secret-key", DATABASE_PASSWORD.name, release.SUPERUSER.name])
def test_a_changed_secret_is_named_and_makes_no_other_release(name: str) -> None:
    want = cloud_want("acme")
    now = replace(want, secrets={**want.secrets, name: "changed by hand"})
    before, after = rollout(), rollout(**{name: "changed by hand"})
    assert rekeyed(before, after, now) == (name,)
    assert rekeyed(after, after, now) == ()
    assert rekeyed(None, after, now) == ()
    assert before.serving == after.serving


def test_a_changed_secret_is_counted_once_and_that_is_public() -> None:
    before, after = rollout(), rollout(**{"secret-key": "changed by hand"})
    services = Services(after.database, None)
    once = moves.final(before, "acme", services, after.releases[0])
    assert [each.rekeyed for each in once.releases] == [1]
    assert once.database.rekeyed == 0
    assert not same(before, once)
    assert moves.final(once, "acme", services, after.releases[0]) == once
    assert decode(*encode(once)) == once
    assert "changed by hand" not in encode(once)[0]


def test_what_was_recorded_before_secrets_were_counted_is_read() -> None:
    public, secret = encode(rollout())
    assert decode(public.replace(',"rekeyed":0', "").replace('"rekeyed":0,', ""), secret) == rollout()


def test_a_container_with_older_secrets_is_drift() -> None:
    was = rollout()
    now = replace(was, releases=(replace(was.releases[0], rekeyed=1),))
    everything = {each.name: healthy(each) for each in expected.containers(was)}
    network = {naming.network("acme"): SeenNetwork("crmhost-acme", internal=True, labels={})}
    seen = Seen("acme", everything, {name: {} for name in expected.volumes(was)}, network)
    found = {change.resource for change in drift(now, seen, {}).changes}
    tag = was.releases[0].tag
    names = (naming.process("acme", tag, name) for name in ("web", "worker", "cron"))
    assert found == {f"container:{name}" for name in (naming.release_volume("acme", tag, "files"), *names)}
    assert drift(now, seen, {}).refresh
    assert [each.rekeyed for each in expected.containers(was)] == [0] * 6


def other_password(database: Service) -> Service:
    files = (
        UploadFile(file.path, file.mode, "new" if file.path == PASSWORD else file.content) for file in database.files
    )
    return replace(database, files=tuple(files))


def test_what_is_kept_for_a_rollback_loses_files_with_a_password_that_the_database_has_no_more() -> None:
    recorded = Rollout("acme", DATABASE, None, (NEW,), NEW.release.id, previous=OLD)
    end = moves.final(recorded, "acme", Services(other_password(DATABASE), None), NEW)
    assert end.previous == replace(OLD, files=())
    assert end.database.rekeyed == 1
    assert moves.final(recorded, "acme", Services(DATABASE, None), NEW) == recorded


def test_only_a_release_that_is_alone_may_get_another_password_of_the_database() -> None:
    assert moves.alone(None, NEW.release)
    assert moves.alone(Rollout("acme", DATABASE, None, (NEW,), NEW.release.id), NEW.release)
    assert not moves.alone(Rollout("acme", DATABASE, None, (OLD, NEW), OLD.release.id), NEW.release)
    assert not moves.alone(Rollout("acme", DATABASE, None, (OLD,), OLD.release.id), NEW.release)
