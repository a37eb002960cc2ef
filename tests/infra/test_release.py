"""What makes another release in the cloud, and what its containers get."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from crm.errors import Refused
from crm.recipe import Ask, Exec, Http, Process
from infra.release import CRON, asked_at, database, health, place, redis, release_of
from infra.rollout import Placed
from infra.settings import Images
from tests.support.released import cloud_want
from tests.support.smallapp.recipe import RECIPE, recipe

IMAGES = Images("python@sha256:1", "postgres@sha256:2", "redis@sha256:3", "caddy@sha256:4")
WANT = cloud_want("acme")
RELEASE = release_of(WANT, IMAGES)


def placed() -> Placed:
    return place(WANT, RELEASE, "sha256:image", "b")


def test_the_same_contract_is_the_same_release_wherever_it_runs() -> None:
    assert release_of(cloud_want("acme"), IMAGES) == RELEASE
    assert release_of(cloud_want("globex"), replace(IMAGES, postgresql="other", redis="other")) == RELEASE
    assert release_of(cloud_want("acme", listen="127.0.0.1:8100", admin="boss"), IMAGES) == RELEASE
    assert release_of(replace(WANT, secrets={}), IMAGES) == RELEASE


def test_everything_that_a_container_gets_makes_another_release() -> None:
    web, worker = RECIPE.processes
    others = [
        replace(WANT, recipe=replace(RECIPE, processes=(replace(web, memory_mb=999), worker))),
        replace(WANT, recipe=replace(RECIPE, processes=(replace(web, cpus="2.0"), worker))),
        replace(WANT, recipe=replace(RECIPE, jobs=(replace(RECIPE.jobs[0], every=5),))),
        replace(WANT, recipe=replace(RECIPE, ready=Ask(Http("GET", "/ready"), "^200 really"))),
        replace(WANT, recipe=recipe(redis=True)),
        cloud_want("acme", language="fa"),
        cloud_want("acme", url="https://other.example", host="other.example"),
    ]
    releases = {release_of(want, IMAGES).config for want in others}
    releases |= {RELEASE.config, release_of(WANT, replace(IMAGES, python="python@sha256:9")).config}
    assert len(releases) == len(others) + 2


def test_web_comes_first_and_jobs_have_a_container_of_their_own() -> None:
    reversed_ = replace(RECIPE, processes=RECIPE.processes[::-1])
    names = [runs.name for runs in place(replace(WANT, recipe=reversed_), RELEASE, "i", "a").processes]
    assert names == ["web", "worker", CRON]
    cron = placed().processes[-1]
    assert cron.limits.memory_mb == 64 + 64
    assert cron.argv[-1] == "/release/crmhost/jobs.json"
    (jobs,) = [file for file in placed().files if file.path == "crmhost/jobs.json"]
    assert json.loads(jobs.content)[0]["argv"][0] == "/opt/crm/bin/python"
    without = place(replace(WANT, recipe=replace(RECIPE, jobs=())), RELEASE, "i", "a")
    assert [runs.name for runs in without.processes] == ["web", "worker"]
    assert not [file.path for file in without.files if "jobs" in file.path or "scheduler" in file.path]


def test_processes_listen_where_the_ingress_finds_them_and_know_what_they_are() -> None:
    web, worker, _ = placed().processes
    assert web.argv[-1] == "0.0.0.0:8000"
    assert (web.env["CRMHOST_PROCESS"], worker.env["CRMHOST_PROCESS"]) == ("web", "worker")
    assert web.cwd == "/release"


def test_secrets_are_in_files_alone() -> None:
    public = [*placed().health, *(word for runs in placed().processes for word in (*runs.argv, *runs.env.values()))]
    assert not any(secret in word for word in public for secret in WANT.secrets.values())
    held = {file.path: file.content for file in placed().files}
    assert held["secret-key"] == WANT.secrets["secret-key"]
    assert held["database-password"] == "pass"
    assert WANT.secrets["secret-key"] not in repr(placed())
    service = database(WANT, IMAGES)
    assert {file.path: (file.mode, file.content) for file in service.files} == {
        "superuser-password": (0o400, "super"),
        "password": (0o400, "pass"),
    }


def test_a_missing_secret_is_named() -> None:
    with pytest.raises(Refused, match="database-superuser-password"):
        database(replace(WANT, secrets={"database-password": "x"}), IMAGES)
    with pytest.raises(Refused, match="file database-password needs the secret 'database-password'"):
        place(replace(WANT, secrets={"secret-key": "x"}), RELEASE, "i", "a")


def test_redis_is_there_for_who_uses_it() -> None:
    assert redis(WANT, IMAGES) is None
    want = replace(WANT, recipe=recipe(redis=True))
    service = redis(want, IMAGES)
    assert service is not None
    assert service.image == "redis@sha256:3"
    conf = next(file for file in place(want, RELEASE, "i", "a").files if file.path == "site.conf")
    assert "redis = redis://redis:6379/0\n" in conf.content


def test_the_health_check_asks_as_the_ingress_does() -> None:
    assert health(WANT)[3:] == ("127.0.0.1:8000", "db:5432", "GET", "/ready", "crm.acme.example", "https", "^200 ready")
    assert asked_at(placed(), "b.crm.acme.example:8000") == health(WANT, "b.crm.acme.example:8000")


@pytest.mark.parametrize("how", [Exec(("true",)), Http("POST", "/ready", {"a": ("b",)})])
def test_a_question_that_no_container_can_ask_is_refused(how: Exec | Http) -> None:
    with pytest.raises(Refused, match="no plain HTTP request"):
        health(replace(WANT, recipe=replace(RECIPE, ready=Ask(how, "x"))))


def test_a_slot_that_nobody_gives_is_named() -> None:
    odd = replace(RECIPE, processes=(Process("web", RECIPE.processes[0].run), *RECIPE.processes[1:]))
    slots = {name: value for name, value in WANT.slots.items() if name != "language"}
    with pytest.raises(Refused, match=r"uses \{language\}, which neither the contract nor its target gives"):
        place(replace(WANT, recipe=odd, slots=slots), RELEASE, "i", "a")
