"""What Pulumi's real engine makes of the docker provider's answers, case by case; the stand-in's or upstream's.

A case: `says`, `program` (resources by name: `is`, `given`, `options`, `after`; `@net.name` is an output) and `steps`.
A step begins with one of `preview`, `up` (what changes in the program before: null drops a resource, `is` adds one,
else inputs; null drops those), `refresh`, `destroy` or `hand`; then may follow `does` (Pulumi's steps in their order),
`each` (the same by resource, where these have no order), `by` (the inputs that differ, by resource), `fails` (the
text), `there` (the containers, running or not), `count` (how many), `runs` (those that run) and `volumes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import docker
import pytest
from ruamel.yaml import YAML

from tests.infra.provider.bench import filled
from tests.infra.provider.hands import made_before
from tests.infra.provider.programs import Programmed, Workspace, hand
from tests.support.engine import RealEngine

pytestmark = pytest.mark.slow

CASES = sorted((Path(__file__).parent / "cases" / "pulumi").glob("*/*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parts[-2]}/{path.stem}")
def test_a_case_goes_as_written(
    path: Path,
    engine: RealEngine,
    docker_client: docker.DockerClient,
    fillings: Mapping[str, str | int],
    workspace: Workspace,
) -> None:
    case = cast(dict[str, Any], filled(YAML(typ="safe").load(path), fillings))
    made_before(docker_client, case.get("with") or {}, str(fillings["name"]))
    programmed = Programmed(workspace, engine.url, case["program"])
    for number, step in enumerate(case["steps"]):
        which = f"step {number}: {step}"
        if "hand" in step:
            hand(docker_client, step["hand"])
        else:
            taken(programmed, step, which)
        looked(docker_client, str(fillings["name"]), step, which)


def taken(case: Programmed, step: Mapping[str, Any], which: str) -> None:
    """Let Pulumi take one step and see that it went as written."""
    verb = next(verb for verb in ("preview", "up", "refresh", "destroy") if verb in step)
    case.change(step[verb] or {})
    done = case.run_apart(verb) if "fails" in step else case.run(verb)
    assert step.get("fails", "") in done.complaint, which
    assert bool(done.complaint) == ("fails" in step), f"{which}: {done.complaint}"
    seen = {"does": done.steps, "each": done.each, "by": done.differs}
    assert seen == seen | {name: step[name] for name in seen if name in step}, which


def looked(client: docker.DockerClient, prefix: str, step: Mapping[str, Any], which: str) -> None:
    """See what stands on the engine after a step."""
    containers = client.containers.list(all=True, filters={"name": prefix})
    volumes = client.volumes.list(filters={"name": prefix})
    seen = {
        "there": sorted(str(one.name) for one in containers),
        "runs": sorted(str(one.name) for one in containers if one.status == "running"),
        "volumes": sorted(str(one.name) for one in volumes),
    }
    assert seen == seen | {name: sorted(step[name]) for name in seen if name in step}, which
    assert len(containers) == step.get("count", len(containers)), which
