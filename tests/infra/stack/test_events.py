"""What the engine reports becomes changes and progress; what could hold a secret is dropped before anything is done."""

from typing import Any

import pytest
from pulumi.automation import EngineEvent

from crm.plan import Change, Event
from infra.events import Watcher, plain

CONTAINER, VOLUME = "docker:index/container:Container", "docker:index/volume:Volume"


def metadata(op: str, name: str = "crmhost-acme-db", kind: str = CONTAINER, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    state = {"type": kind, "urn": "", "id": "", "parent": "", "provider": ""}
    for side in ("old", "new"):
        if side in more:
            more[side] = {**state, "inputs": more[side]}
    return {"op": op, "urn": f"urn:pulumi:acme::crmhost::{kind}::{name}", "type": kind, "provider": "", **more}


def begin(op: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"resourcePreEvent": {"metadata": metadata(op, **more)}}


def end(op: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"resOutputsEvent": {"metadata": metadata(op, **more)}}


def failed(op: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"resOpFailedEvent": {"metadata": metadata(op, **more), "status": 1, "steps": 1}}


def says(severity: str, message: str) -> dict[str, Any]:
    return {"diagnosticEvent": {"message": message, "color": "never", "severity": severity}}


def watch(*events: dict[str, Any]) -> tuple[Watcher, list[Event]]:
    told: list[Event] = []
    ticks = iter(range(100))
    watcher = Watcher(told.append, clock=lambda: float(next(ticks)))
    for event in events:
        watcher(EngineEvent.from_json({"sequence": 1, "timestamp": 1, **event}))
    return watcher, told


def test_debug_diagnostics_are_dropped_since_they_carry_secrets() -> None:
    watcher, told = watch(says("debug", "the password is xyz"), says("info", "well"), says("error", "it is raining"))
    assert watcher.complaints == ["it is raining"]
    assert told == []


def test_a_resource_is_told_of_when_it_begins_and_when_it_is_done() -> None:
    watcher, told = watch(begin("create"), end("create"))
    assert told == [
        Event("stage", "container:crmhost-acme-db", "begin", "create"),
        Event("stage", "container:crmhost-acme-db", "done", "create", 1.0),
    ]
    assert watcher.changes == (Change("container:crmhost-acme-db", "create", "is not there"),)


def test_a_replacement_is_one_change_and_one_piece_of_progress() -> None:
    more = {"diffs": ["memory"], "old": {"memory": 256.0}, "new": {"memory": 512.0}}
    watcher, told = watch(
        begin("delete-replaced", **more),
        end("delete-replaced", **more),
        begin("replace", **more),
        end("replace", **more),
        begin("create-replacement", **more),
        end("create-replacement", **more),
    )
    assert [event.state for event in told] == ["begin", "done"]
    assert watcher.changes == (
        Change("container:crmhost-acme-db", "replace", "memory differs", ("memory: 256 → 512",), "outage"),
    )


def test_what_failed_is_told_of_as_failed() -> None:
    _, told = watch(begin("create"), failed("create"))
    assert [event.state for event in told] == ["begin", "failed"]


@pytest.mark.parametrize("op", ["same", "refresh", "read"])
def test_what_changes_nothing_is_not_told_of(op: str) -> None:
    watcher, told = watch(begin(op), end(op))
    assert (watcher.changes, told) == ((), [])


@pytest.mark.parametrize("kind", ["pulumi:pulumi:Stack", "pulumi:providers:docker", "crmhost:cloud:Database"])
def test_what_is_only_pulumis_is_not_told_of(kind: str) -> None:
    watcher, told = watch(begin("create", kind=kind), end("create", kind=kind))
    assert (watcher.changes, told) == ((), [])


@pytest.mark.parametrize(
    ("name", "kind", "op", "disrupts"),
    [
        ("crmhost-acme-db", VOLUME, "delete", "data"),
        ("crmhost-acme-data", VOLUME, "replace", "data"),
        ("crmhost-acme-0123-run", VOLUME, "delete", "no"),
        ("crmhost-acme-db", CONTAINER, "replace", "outage"),
        ("crmhost-acme-0123-web", CONTAINER, "delete", "outage"),
        ("crmhost-acme-0123-jobs", CONTAINER, "replace", "restart"),
        ("crmhost-acme-0123-web", CONTAINER, "update", "no"),
        ("crmhost-acme", "docker:index/network:Network", "replace", "outage"),
    ],
)
def test_what_customers_would_notice(name: str, kind: str, op: str, disrupts: str) -> None:
    watcher, _ = watch(begin(op, name=name, kind=kind))
    assert watcher.changes[0].disrupts == disrupts


def test_secrets_and_long_values_are_not_shown_in_a_diff() -> None:
    more = {
        "diffs": ["uploads", "command"],
        "old": {"uploads": "[secret]", "command": ["a"]},
        "new": {"uploads": "[secret]", "command": ["b"]},
    }
    watcher, _ = watch(begin("replace", **more))
    assert watcher.changes[0].diff == ("command: changed", "uploads: changed")


def test_what_the_progress_raises_is_kept_until_the_run_has_ended() -> None:
    def broken(_: Event) -> None:
        raise BrokenPipeError

    watcher = Watcher(broken)
    watcher(EngineEvent.from_json({"sequence": 1, "timestamp": 1, **begin("create")}))
    assert isinstance(watcher.broke, BrokenPipeError)


def test_only_a_protected_container_is_no_reason_to_refuse_a_preview() -> None:
    said = '"urn:pulumi:acme::crmhost::{}::{}" cannot be deleted\nbecause it is protected. To unprotect'
    web = says("error", "Preview failed: resource " + said.format(CONTAINER, "crmhost-acme-0123-web"))
    data = says("error", "Preview failed: resource " + said.format(VOLUME, "crmhost-acme-data"))
    assert watch(web, says("error", "preview failed"))[0].only_protected
    assert not watch(web, data)[0].only_protected
    assert not watch(web, says("error", "it is raining"))[0].only_protected
    assert not watch()[0].only_protected


def test_marks_of_colour_are_taken_out() -> None:
    assert plain("<{%fg 1%}>error: <{%reset%}>it is raining\n") == "error: it is raining"
