"""A customer's life on a Docker host, from the first deploy to the last backup: real engine, real Pulumi, real ingress.

The tests of this file are one walk, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.errors import GateFailed, Refused
from crm.plan import Event
from crmhost.backup.shelf import open_shelf
from infra import naming, steplog
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from infra.engine.run import OneShot, create
from infra.steplog import Failed
from tests.support.cloud import Company, Customer

pytestmark = [pytest.mark.slow, pytest.mark.cloud]


@pytest.fixture(scope="module")
def acme(hosting: Company) -> Iterator[Customer]:
    customer = hosting.customer("walker")
    customer.sweep()
    yield customer
    customer.sweep()


@pytest.fixture
def docker(hosting: Company) -> Iterator[Engine]:
    with connect(Reach(hosting.engine.url)) as engine:
        yield engine


def container(customer: Customer, process: str) -> str:
    """Return the name of the one container of a process of any release."""
    (name,) = (name for name in customer.there()["containers"] if name.endswith(f"-{process}"))
    return name


def test_a_plan_of_a_new_customer_changes_nothing(acme: Customer) -> None:
    plan = acme.plan("1.0")
    assert (plan.serving, plan.upgrade, plan.unfinished) == (None, None, None)
    assert {change.action for change in plan.changes} == {"create", "run"}
    assert plan.changes[-1].resource == "site:walker.example"
    assert acme.there() == {"containers": set(), "volumes": set(), "networks": set()}
    assert not (acme.company.fleet.state / "pulumi" / "walker").exists()


def test_the_first_deploy_serves_through_the_ingress(acme: Customer) -> None:
    events: list[Event] = []
    outcome = acme.deploy("1.0", events.append)
    assert outcome.did == "deployed"
    assert acme.get("/ready").startswith("200 ready 1.0")
    acme.write("the first note")
    done = [f"{event.phase} {event.subject}" for event in events if event.state == "done"]
    steps = [subject.partition(" ")[2] for subject in done if subject.startswith("steps ")]
    assert steps[-2:] == ["admin", "register"]
    assert (
        done.index("steps register") < done.index(f"gate {outcome.release}") < done.index(f"switch {outcome.release}")
    )


def test_nothing_to_do_is_seen_and_runs_no_pulumi(acme: Customer) -> None:
    assert acme.plan("1.0").changes == ()
    before = stamp(acme)
    assert acme.deploy("1.0").did == "nothing"
    assert stamp(acme) == before
    assert not acme.plan("1.0", refresh=True).changes


def test_containers_are_confined_and_hold_no_secret(acme: Customer, docker: Engine) -> None:
    secrets = [acme.company.fleet.vault.get("walker", name) for name in ("admin-password", "database-password")]
    for name in acme.there()["containers"]:
        raw = docker.client.inspect_container(name)
        assert not any(secret in repr(raw) for secret in secrets if secret)
        seen = docker.container(name)
        assert seen is not None
        assert seen.memory == seen.memory_swap > 0
        assert "ALL" in seen.dropped
        if seen.restart != "no":
            assert seen.read_only
            assert seen.user not in ("", "0", "root")


def test_what_runs_is_shown_with_its_users(acme: Customer) -> None:
    with acme.target("1.0") as target:
        status = target.driver.status(target.want)
        log = list(target.driver.logs("web", 50))
    assert {name: state for name, state, _ in status.processes} == dict.fromkeys(("db", "web", "worker", "cron"), "up")
    assert (status.users, status.holder) == (1, None)
    assert any("/ready" in line for line in log)


def test_what_is_no_process_is_refused_and_failed_steps_have_a_log(acme: Customer, docker: Engine) -> None:
    output = "a line\nand \x1b[31manother"
    failed = Failed("2026-01-02T03:04:05Z", "schema", "smallapp-1.0-0", "exit 1", output)
    with acme.target("1.0") as target:
        assert list(target.driver.logs("steps", 50)) == []
        assert steplog.keep(docker, "walker", failed)
        assert list(target.driver.logs("steps", 2)) == ["a line", "and ?[31manother"]
        with pytest.raises(Refused, match=r"no process 'nothing'\n.*, ingress, steps"):
            list(target.driver.logs("nothing", 50))


def test_the_next_version_takes_over_and_goes_back(acme: Customer) -> None:
    old = acme.plan("1.0").release
    outcome = acme.deploy("1.1")
    assert acme.get("/ready").startswith("200 ready 1.1")
    assert outcome.backup is None
    assert {name for name in acme.there()["volumes"] if old.config[:12] in name} == set()
    back = acme.rollback("1.1")
    assert (back.did, back.release) == ("rolled back", old.id)
    assert acme.get("/ready").startswith("200 ready 1.0")
    assert acme.ask("select text from note") == ["the first note"]
    assert acme.plan("1.0").changes == ()


def test_a_release_that_never_becomes_ready_is_refused_and_leaves_nothing(acme: Customer) -> None:
    before = acme.there()
    with pytest.raises(GateFailed, match="did not become ready") as failure:
        acme.deploy("broken")
    assert "smallapp-1.0" in failure.value.remedy
    assert "still serves" in failure.value.remedy
    assert acme.get("/ready").startswith("200 ready 1.0")
    assert acme.there() == before
    assert acme.plan("1.0").changes == ()


def test_drift_is_named_and_mended(acme: Customer, docker: Engine) -> None:
    web, worker, database = container(acme, "web"), container(acme, "worker"), naming.database("walker")
    docker.client.pause(web)
    docker.client.disconnect_container_from_network(worker, naming.network("walker"))
    docker.client.update_container(database, mem_limit="300m", memswap_limit="300m")
    docker.client.stop(container(acme, "cron"), timeout=1)
    whys = {change.resource: change.why for change in acme.plan("1.0").changes}
    assert whys[f"container:{web}"] == "it is paused"
    assert whys[f"container:{worker}"] == "it is off the network crmhost-walker"
    assert "300 MiB" in whys[f"container:{database}"]
    assert "it is exited" in whys[f"container:{container(acme, 'cron')}"]
    assert acme.deploy("1.0").did == "deployed"
    assert acme.plan("1.0").changes == ()
    assert acme.get("/ready").startswith("200 ready 1.0")


def test_what_was_removed_or_renamed_is_named_and_mended(acme: Customer, docker: Engine) -> None:
    web, worker = container(acme, "web"), container(acme, "worker")
    docker.remove(worker)
    docker.client.rename(web, "somebody-elses")
    whys = {change.resource: change.why for change in acme.plan("1.0").changes}
    assert whys[f"container:{worker}"] == "it is not there"
    assert whys[f"container:{web}"] == "it was renamed to somebody-elses"
    assert acme.deploy("1.0").did == "deployed"
    assert acme.plan("1.0").changes == ()
    assert {web, worker} <= acme.there()["containers"]
    assert "somebody-elses" not in acme.there()["containers"]
    assert acme.get("/ready").startswith("200 ready 1.0")


def test_processes_of_a_release_that_lost_its_files_wait_until_they_are_derived_again(
    acme: Customer, docker: Engine
) -> None:
    web, events = container(acme, "web"), list[Event]()
    own = web.removesuffix("web")
    for role in ("web", "worker", "cron", "files"):
        docker.remove(own + role)
    for volume in ("files", "run"):
        docker.remove_volume(own + volume)
    assert acme.deploy("1.0", events.append).did == "deployed"
    done = [f"{event.phase} {event.subject}" for event in events if event.state == "done"]
    assert done.index("steps derive") < done.index(f"stage container:{web}")
    assert acme.plan("1.0").changes == ()
    assert acme.get("/static/style.css").startswith("200 /* 1.0 */")


@pytest.mark.parametrize("pretends", [False, True], ids=["without labels", "with crmhost's labels"])
def test_a_container_that_somebody_made_is_named_and_left_alone(
    acme: Customer, docker: Engine, *, pretends: bool
) -> None:
    worker = container(acme, "worker")
    there = docker.container(worker)
    assert there is not None
    docker.remove(worker)
    spec = OneShot(worker, there.image, ("sleep", "600"), there.labels if pretends else {})
    theirs = create(docker.client, spec)
    (change,) = (each for each in acme.plan("1.0").changes if each.resource == f"container:{worker}")
    assert "remove it by hand" in change.why
    before = stamp(acme)
    with pytest.raises(Refused, match=f"crmhost did not make {worker}.*\n.*rm -f {worker}"):
        acme.deploy("1.0")
    assert stamp(acme) == before
    assert docker.names()[worker] == theirs
    docker.remove(worker)
    assert acme.deploy("1.0").did == "deployed"
    assert acme.plan("1.0").changes == ()


def test_another_schema_goes_behind_the_page_with_a_backup(acme: Customer) -> None:
    plan = acme.plan("2.0")
    assert plan.upgrade is not None
    assert (plan.upgrade.old.schema, plan.upgrade.new.schema) == ("1", "2")
    assert [change.why for change in plan.changes if change.disrupts == "data"] == ["schema 1 → 2, 1.0 → 2.0"]
    events: list[Event] = []
    outcome = acme.deploy("2.0", events.append)
    assert (outcome.did, outcome.backup) == ("deployed", open_shelf(acme.company.fleet, "walker").list()[0].id)
    assert acme.get("/ready").startswith("200 ready 2.0")
    assert acme.ask("select text from note") == ["the first note"]
    done = [f"{event.phase} {event.subject}" for event in events if event.state == "done"]
    order = ["switch maintenance page on", "backup walker", "steps upgrade", f"gate {outcome.release}"]
    assert [one for one in done if one in order] == order
    assert acme.plan("2.0").changes == ()


def test_going_back_over_a_schema_restores_the_backup(acme: Customer) -> None:
    acme.write("lost when we go back")
    back = acme.rollback("2.0")
    assert back.did == "rolled back"
    assert back.backup == open_shelf(acme.company.fleet, "walker").list()[0].id
    assert acme.get("/ready").startswith("200 ready 1.0")
    assert acme.ask("select text from note") == ["the first note"]
    assert acme.plan("1.0").changes == ()
    acme.write("written after it")


def test_another_docker_host_is_refused_in_place(acme: Customer, tmp_path: Path) -> None:
    file = acme.company.fleet.contract_file("walker")
    text = file.read_text()
    elsewhere = tmp_path / "docker.sock"
    elsewhere.symlink_to(acme.company.engine.url.removeprefix("unix://"))
    file.write_text(text.replace(acme.company.engine.url, f"unix://{elsewhere}"))
    try:
        with pytest.raises(Refused, match="the contract says"):
            acme.plan("1.0")
    finally:
        file.write_text(text)


def test_a_contract_leaves_nothing_but_its_backup(acme: Customer, docker: Engine) -> None:
    outcome = acme.destroy("1.0", backup=True)
    (newest, *_) = open_shelf(acme.company.fleet, "walker").list()
    assert (outcome.backup, newest.why) == (newest.id, "destroy")
    assert newest.contents.tables["public.note"] == 2
    assert acme.there() == {"containers": set(), "volumes": set(), "networks": set()}
    assert not (acme.company.fleet.state / "pulumi" / "walker").exists()
    assert acme.get("/ready")[:3] != "200"
    again = acme.destroy("1.0", backup=True)
    assert (again.did, again.backup) == ("destroyed", None)
    assert docker.container(naming.INGRESS) is not None


def stamp(customer: Customer) -> dict[str, float]:
    """Return when Pulumi's files were last written."""
    folder = customer.company.fleet.state / "pulumi"
    return {str(path): path.stat().st_mtime for path in folder.rglob("*") if path.is_file()}
