"""What the program declares: each rule that the provider's behaviour asks for is kept by every resource."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.components.container import go_duration
from infra.engine.reach import Reach
from infra.program import declare
from infra.rollout import Rollout
from tests.support.declared import Declared, declared
from tests.support.rollouts import NEW, OLD, REDIS, SECRET, rollout

REACH = Reach("unix:///run/docker.sock")
BOTH = rollout(OLD, NEW, serving=OLD, redis=REDIS)
ONE_SHOTS = ("crmhost-acme-db-files", "crmhost-acme-000000000000-files", "crmhost-acme-111111111111-files")


def resources(wanted: Rollout, reach: Reach = REACH) -> tuple[Declared, ...]:
    return declared(lambda: declare(wanted, reach))


@pytest.fixture(scope="module")
def both() -> tuple[Declared, ...]:
    return resources(BOTH)


def of(found: tuple[Declared, ...], kind: str) -> dict[str, Declared]:
    return {each.name: each for each in found if each.kind == kind}


@pytest.fixture(scope="module")
def containers(both: tuple[Declared, ...]) -> dict[str, Declared]:
    return of(both, "Container")


def test_a_stack_holds_what_it_should_and_of_a_candidate_only_web(both: tuple[Declared, ...]) -> None:
    assert set(of(both, "Container")) == {
        *ONE_SHOTS,
        "crmhost-acme-db",
        "crmhost-acme-redis",
        "crmhost-acme-000000000000-web",
        "crmhost-acme-000000000000-jobs",
        "crmhost-acme-111111111111-web",
    }
    assert set(of(both, "Volume")) == {
        *ONE_SHOTS,
        "crmhost-acme-db",
        "crmhost-acme-data",
        "crmhost-acme-000000000000-run",
        "crmhost-acme-111111111111-run",
    }
    assert set(of(both, "Network")) == {"crmhost-acme"}


def test_while_steps_are_due_nothing_of_the_candidate_runs() -> None:
    found = of(resources(replace(BOTH, waiting=True)), "Container")
    assert [name for name in found if "111111111111" in name] == ["crmhost-acme-111111111111-files"]


def test_without_a_release_the_data_stay(both: tuple[Declared, ...]) -> None:
    none = resources(rollout(serving=None))
    assert set(of(none, "Volume")) == {"crmhost-acme-db", "crmhost-acme-data", "crmhost-acme-db-files"}
    assert of(none, "Volume")["crmhost-acme-data"].inputs == of(both, "Volume")["crmhost-acme-data"].inputs


HARDENED: dict[str, Callable[[Declared], bool]] = {
    "its image is pinned": lambda each: each.inputs["image"].startswith("sha256:"),
    "its name on the engine is its logical name": lambda each: each.inputs["name"] == each.name,
    "all capabilities are dropped": lambda each: each.inputs["capabilities"]["drops"] == ["ALL"],
    "it gets no new privileges": lambda each: each.inputs["securityOpts"] == ["no-new-privileges:true"],
    "memory comes with memorySwap": lambda each: each.inputs["memory"] == each.inputs["memorySwap"] > 0,
    "processors are in the provider's form": lambda each: "." in each.inputs["cpus"],
    "its log is rotated": lambda each: set(each.inputs["logOpts"]) == {"max-size", "max-file"},
    "it is given time to end": lambda each: each.inputs["destroyGraceSeconds"] > 0,
    "it is deleted before it is replaced": lambda each: each.delete_before_replace,
    "what is not changed in place replaces it": lambda each: (
        {"healthcheck", "init", "mounts", "tmpfs", "#initerror"} == set(each.replace_on_changes)
    ),
    "no list that could be dropped is empty": lambda each: all(each.inputs[name] for name in ("envs", "labels")),
    "no argument is empty": lambda each: all(each.inputs["command"]),
    "a failed create is not adopted": lambda each: "entrypoints" not in each.inputs,
    "the engine does not wait for health": lambda each: "wait" not in each.inputs,
    "mounts are given as volumes": lambda each: "mounts" not in each.inputs,
    "no port is published": lambda each: "ports" not in each.inputs,
    "no secret is in its environment": lambda each: SECRET not in "".join(each.inputs["envs"]),
}


@pytest.mark.parametrize("rule", HARDENED)
def test_every_container(rule: str, containers: dict[str, Declared]) -> None:
    assert {name for name, each in containers.items() if not HARDENED[rule](each)} == set()


LASTING: dict[str, Callable[[Declared], bool]] = {
    "is not root": lambda each: each.inputs["user"] in {"10001:10001", "postgres", "redis"},
    "has a read-only root": lambda each: each.inputs["readOnly"],
    "adds no capability": lambda each: "adds" not in each.inputs["capabilities"],
    "is restarted": lambda each: each.inputs["restart"] == "unless-stopped",
    "reaps its children": lambda each: each.inputs["init"],
    "is asked whether it is well": lambda each: each.inputs["healthcheck"]["tests"][0] == "CMD",
    "holds no upload": lambda each: "uploads" not in each.inputs,
}


@pytest.mark.parametrize("rule", LASTING)
def test_every_container_that_stays(rule: str, containers: dict[str, Declared]) -> None:
    found = {name for name, each in containers.items() if name not in ONE_SHOTS and not LASTING[rule](each)}
    assert found == set()


@pytest.mark.parametrize("name", ONE_SHOTS)
def test_what_sets_owners_runs_once_as_root_with_three_capabilities_and_no_network(
    name: str, containers: dict[str, Declared]
) -> None:
    once = containers[name].inputs
    assert (once["user"], once["restart"], once["mustRun"], once["attach"]) == ("0:0", "no", False, True)
    assert once["capabilities"]["adds"] == ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]
    assert once["networkMode"] == "none"
    assert "networksAdvanced" not in once


def test_secrets_are_only_in_uploads_and_marked_as_such(both: tuple[Declared, ...]) -> None:
    assert [each.name for each in both if SECRET in str(each.inputs)] == []
    assert {each.name for each in both if SECRET in "".join(each.secret)} == set(ONE_SHOTS)
    for name in ONE_SHOTS:
        assert {upload["content"] for upload in of(both, "Container")[name].inputs["uploads"]} == {"<secret>"}


def test_an_empty_file_is_not_uploaded_empty_since_the_provider_refuses_that() -> None:
    empty = replace(OLD, files=(replace(OLD.files[0], content=""),))
    found = of(resources(rollout(empty, serving=empty)), "Container")["crmhost-acme-000000000000-files"]
    assert found.secret[-1] == '"\\n"'


def test_processes_start_after_their_files_and_the_database(containers: dict[str, Declared]) -> None:
    for name in ("crmhost-acme-000000000000-web", "crmhost-acme-000000000000-jobs", "crmhost-acme-111111111111-web"):
        before = {"crmhost-acme-db", "crmhost-acme-redis", name.rpartition("-")[0] + "-files"}
        assert before <= set(containers[name].depends_on)
    assert "crmhost-acme-db-files" in containers["crmhost-acme-db"].depends_on


def test_only_web_is_on_the_edge_and_each_slot_has_its_alias(containers: dict[str, Declared]) -> None:
    edge = {
        name: network["aliases"]
        for name, each in containers.items()
        for network in each.inputs.get("networksAdvanced", [])
        if network["name"] == "crmhost-edge"
    }
    assert edge == {
        "crmhost-acme-000000000000-web": ["a.crm.acme.example"],
        "crmhost-acme-111111111111-web": ["b.crm.acme.example"],
    }


def test_database_and_redis_have_the_names_that_releases_are_told(containers: dict[str, Declared]) -> None:
    for name, alias in (("crmhost-acme-db", "db"), ("crmhost-acme-redis", "redis")):
        assert containers[name].inputs["networksAdvanced"] == [{"name": "crmhost-acme", "aliases": [alias]}]


def test_the_customers_network_is_internal(both: tuple[Declared, ...]) -> None:
    assert of(both, "Network")["crmhost-acme"].inputs["internal"] is True


def test_data_are_protected_and_a_label_never_costs_them(both: tuple[Declared, ...]) -> None:
    volumes = of(both, "Volume")
    assert {name for name, each in volumes.items() if each.protect} == {"crmhost-acme-db", "crmhost-acme-data"}
    assert {each.ignore_changes for each in volumes.values()} == {("labels",)}
    assert of(both, "Network")["crmhost-acme"].ignore_changes == ("labels",)


def test_what_serves_is_protected_exactly_while_a_candidate_is_beside_it(containers: dict[str, Declared]) -> None:
    assert {name for name, each in containers.items() if each.protect} == {
        "crmhost-acme-000000000000-web",
        "crmhost-acme-000000000000-jobs",
    }
    alone = of(resources(rollout(OLD, serving=OLD)), "Container")
    assert {name for name, each in alone.items() if each.protect} == set()


def test_what_serves_is_the_same_with_and_without_a_candidate(containers: dict[str, Declared]) -> None:
    alone = of(resources(rollout(OLD, serving=OLD, redis=REDIS)), "Container")
    for name, each in alone.items():
        assert each.inputs == containers[name].inputs, name


def test_labels_say_contract_role_and_release(containers: dict[str, Declared]) -> None:
    def labels(name: str) -> dict[str, str]:
        return {each["label"]: each["value"] for each in containers[name].inputs["labels"]}

    assert labels("crmhost-acme-111111111111-web") == {
        "crmhost.contract": "acme",
        "crmhost.role": "web",
        "crmhost.release": NEW.release.id,
    }
    assert labels("crmhost-acme-db") == {"crmhost.contract": "acme", "crmhost.role": "db"}


def test_another_host_is_told_how_to_reach_it() -> None:
    reach = Reach("ssh://deploy@example.org", key_file=Path("/key"), known_hosts=Path("/known"))
    found = of(resources(rollout(serving=None), reach), "docker")["docker"].inputs
    assert found["host"] == "ssh://deploy@example.org"
    assert "-i" in found["sshOpts"]
    found = of(resources(rollout(serving=None), Reach("tcp://h:2376", tls=Path("/tls"))), "docker")["docker"].inputs
    assert found == {"host": "tcp://h:2376", "certPath": "/tls"}


@pytest.mark.parametrize(("seconds", "text"), [(5, "5s"), (60, "1m0s"), (90, "1m30s"), (3600, "1h0m0s"), (0, "0s")])
def test_times_are_written_as_go_prints_them(seconds: int, text: str) -> None:
    assert go_duration(seconds) == text
