"""Plans of a Docker host: what was seen, and exactly what a deploy is said to change. The cases are files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from crm import due as steps
from crm.errors import Refused
from crm.plan import Change, Crossing, Release
from crm.steps import Records, State, key
from infra import expected, moves, naming
from infra.drift import Drift, drift
from infra.engine.seen import Seen, SeenNetwork
from infra.moves import Services
from infra.plan import Survey, plan_of
from infra.rollout import Limits, Placed, Rollout, Service
from tests.infra.test_drift import healthy, placed
from tests.support.released import cloud_want

CASES = sorted((Path(__file__).parent / "plan" / "cases").glob("*.yaml"))
SERVICES = Services(Service("sha256:db", Limits(512, "1.0")), Service("sha256:redis", Limits(64, "0.5")))
BEGUN = 1_790_000_000_000_000


def release_of(version: str) -> Placed:
    return placed(version, "a", "2" if version == "2.0" else "1")


def recorded(case: dict[str, Any]) -> Rollout | None:
    """Return the rollout that is recorded: `serving`, `candidate`, `waiting`, `previous` name versions."""
    said = case.get("recorded")
    if said is None:
        return None
    served = release_of(said["serving"]) if "serving" in said else None
    candidate = moves.at(release_of(said["candidate"]), "b") if "candidate" in said else None
    return Rollout(
        "acme",
        SERVICES.database,
        SERVICES.redis,
        releases=tuple(one for one in (served, candidate) if one is not None),
        serving=None if served is None else served.release.id,
        previous=release_of(said["previous"]) if "previous" in said else None,
        waiting=said.get("waiting", False),
    )


def records(case: dict[str, Any], wanted: Release) -> Records | None:
    """Return what the database says: all steps of a version finished, but for `steps`."""
    said = case.get("records")
    if said is None:
        return None
    recipe, made = cloud_want("acme").recipe, release_of(said["made"]).release
    done: dict[str, State] = {key(step, made): "finished" for step in recipe.steps if step.phase != "upgrade"}
    if said.get("derived", True) and wanted.schema == made.schema:
        done |= {key(step, wanted): "finished" for step in recipe.steps if step.each_release}
    done |= {name.replace("WANTED", wanted.id): state for name, state in said.get("steps", {}).items()}
    return Records(
        {name: state for name, state in done.items() if state != "absent"},
        schema=(made.recipe, made.version, made.schema),
    )


def survey(case: dict[str, Any]) -> Survey:
    wanted, there = release_of(case["wanted"]), recorded(case)
    wanted = moves.at(wanted, moves.slot_for(there, wanted.release))
    end = moves.final(there, "acme", SERVICES, wanted)
    containers = {} if there is None else {each.name: healthy(each) for each in expected.containers(there)}
    containers = {name: replace(each, **case.get("seen", {}).get(name, {})) for name, each in containers.items()}
    seen = Seen(
        "acme",
        containers | {name: healthy(expected.containers(end)[1]) for name in case.get("strangers", ())},
        {} if there is None else {name: {} for name in expected.volumes(there)},
        {} if there is None else {naming.network("acme"): SeenNetwork("crmhost-acme", internal=True, labels={})},
    )
    want = cloud_want("acme", case["wanted"])
    found = records(case, wanted.release)
    return Survey(
        want=want,
        release=wanted.release,
        wanted=end,
        recorded=there,
        seen=seen,
        drift=Drift() if there is None else drift(there, seen, {}),
        slot=case.get("slot"),
        closed=case.get("closed", False),
        records=found,
        due=None if found is None else steps.due(want.recipe, found, wanted.release),
        crossing=crossing(case),
        built=case.get("built", True),
        host=tuple(Change(*each) for each in case.get("host", ())),
        pending=tuple(case.get("pending", ())),
        preview=None if "preview" not in case else tuple(Change(*each) for each in case["preview"]),
        rekeyed=tuple(case.get("rekeyed", ())),
        foreign=tuple(case.get("foreign", ())),
    )


def crossing(case: dict[str, Any]) -> Crossing | None:
    said = case.get("crossing")
    if said is None:
        return None
    old, new = (release_of(said[name]).release for name in ("old", "new"))
    return Crossing(old, new, BEGUN, said["phase"], said.get("backup"))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_case(path: Path) -> None:
    case = YAML(typ="safe").load(path.read_text())
    if "refused" in case:
        with pytest.raises(Refused) as refused:
            plan_of(survey(case))
        assert case["refused"] in str(refused.value)
        return
    plan = plan_of(survey(case))
    assert [shown(change) for change in plan.changes] == case["changes"]
    assert plan.notes == tuple(case.get("notes", ()))
    assert [None if plan.upgrade is None else plan.upgrade.old.version] == [case.get("upgrade-from")]
    assert (plan.unfinished is not None) == case.get("unfinished", False)
    assert plan_of(survey(case)).digest == plan.digest


def shown(change: Change) -> str:
    """Return a change in one line."""
    disrupts = "" if change.disrupts == "no" else f" [{change.disrupts}]"
    return f"{change.action} {change.resource}: {change.why}{disrupts}{' (then)' if change.later else ''}"


def test_there_are_cases() -> None:
    assert len(CASES) > 12
