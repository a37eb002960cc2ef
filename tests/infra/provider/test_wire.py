"""What the docker provider does with one resource, case by case, on a real engine; the stand-in or upstream's.

A case: `says`, `resource`, and either `checks`, or `given` (the first inputs), `with` (networks, volumes, taken ports
and names of images that exist before), and either `plans` (each from the same state, after a create) or `steps`.

A check: `set` (the inputs), `before` (those of an earlier program), and what is found: `adds` (inputs with their
defaults), `invents` (a pattern of the name) or `fails` (the text).
A plan: `set` (inputs that change; null drops one), `is` (same, update, replace) and `by` (the inputs that differ).
A step begins with one of `up` (the changed inputs, kept from here on; null drops one), `refresh` (same, gone or the
inputs that differ), `hand` (what somebody does to the container with docker) or `delete`; then may follow `is`, `by`,
`id` (kept, new), `engine` (what it says, by path), `images` (names that it still has), `state` (what Pulumi stores),
`fails` (the text) and `lasts` (seconds at least).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import docker
import pytest
from ruamel.yaml import YAML

from tests.infra.provider.bench import Bench, filled
from tests.infra.provider.hands import by_hand, made_before
from tests.support.docker_provider.served import plain
from tests.support.docker_provider.values import Properties
from tests.support.engine import RealEngine
from tests.support.provider import Answer, Provider, Refused, asking

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / "cases" / "wire"
CHECKS = sorted(FOLDER.glob("check/*.yaml"))
CASES = sorted({*FOLDER.glob("*/*.yaml")} - {*CHECKS})


@pytest.fixture(scope="module")
def provider(provider_path: Path, engine: RealEngine) -> Iterator[Provider]:
    with asking(provider_path) as provider:
        provider.configure({"host": engine.url})
        yield provider


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parts[-2]}/{path.stem}")
def test_a_case_goes_as_written(
    path: Path, provider: Provider, docker_client: docker.DockerClient, fillings: Mapping[str, str | int]
) -> None:
    case = cast(dict[str, Any], filled(YAML(typ="safe").load(path), fillings))
    made_before(docker_client, case.get("with") or {}, str(fillings["name"]))
    bench = Bench(provider, docker_client, case["resource"])
    given: Properties = case["given"]
    if "plans" in case:
        bench.up(given)
        found = [outcome(bench.plan(changed(given, plan["set"]))) for plan in case["plans"]]
        assert [plan | seen for plan, seen in zip(case["plans"], found, strict=True)] == case["plans"]
    for number, step in enumerate(case.get("steps") or []):
        given = taken(bench, given, step, f"step {number}: {step}")
    bench.delete()


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_inputs_are_checked_as_written(path: Path, provider: Provider) -> None:
    case = YAML(typ="safe").load(path)
    for check in case["checks"]:
        if "fails" in check:
            with pytest.raises(Refused, match=re.escape(check["fails"])):
                provider.check(case["resource"], check["set"])
            continue
        found = provider.check(case["resource"], check["set"], check.get("before"))
        if "adds" in check:
            assert plain(found) == {**plain(found), **check["set"], **check["adds"]}
        if "invents" in check:
            assert re.fullmatch(check["invents"], str(found["name"]))


def changed(given: Properties, changes: Properties) -> Properties:
    """Return the inputs with the changes; null drops one."""
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def outcome(answer: Answer) -> dict[str, Any]:
    """Return a plan in the words of a case."""
    return {"is": answer.verdict, **({"by": sorted(answer.diffs)} if answer.diffs else {})}


def taken(bench: Bench, given: Properties, step: Mapping[str, Any], which: str) -> Properties:
    """Take one step, see that it went as written, and return the inputs from here on."""
    began, before = time.monotonic(), bench.identity
    wanted = changed(given, step.get("up") or {})
    answer = None
    if "fails" in step:
        with pytest.raises(Refused, match=re.escape(step["fails"])):
            moved(bench, wanted, step)
    else:
        answer = moved(bench, wanted, step)
    if answer is not None and "is" in step:
        assert {"is": step["is"], "by": step.get("by")} == {"by": None, **outcome(answer)}, which
    if "id" in step:
        assert ("kept" if bench.identity == before else "new") == step["id"], which
    assert time.monotonic() - began >= step.get("lasts", 0), which
    looked(bench, step, which)
    return wanted


def moved(bench: Bench, wanted: Properties, step: Mapping[str, Any]) -> Answer | None:
    """Do what the step begins with."""
    if "up" in step:
        return bench.up(wanted)
    if "hand" in step:
        by_hand(bench.docker, bench.identity, step["hand"])
    elif "delete" in step:
        bench.delete()
    else:
        drift = bench.refresh()
        found = "gone" if drift is None else sorted(drift.diffs) or "same"
        assert found == step["refresh"]
    return None


def looked(bench: Bench, step: Mapping[str, Any], which: str) -> None:
    """See what the engine and the state say after a step."""
    seen = bench.seen() if "engine" in step else {}
    for path, value in step.get("engine", {}).items():
        assert at(seen, path) == value, f"{which}: {path}"
    for name in step.get("images", ()):
        assert bench.docker.images.get(name) is not None, which
    for name, value in step.get("state", {}).items():
        assert bench.state.get(name) == value, f"{which}: {name}"


def at(seen: object, path: str) -> object:
    """Return what is at a path like `HostConfig.Memory`."""
    for part in path.split("."):
        seen = seen[int(part)] if isinstance(seen, list) else cast(Mapping[str, object], seen)[part]
    return seen
