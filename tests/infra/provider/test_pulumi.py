"""What Pulumi's real engine makes of the docker provider's answers, case by case; the stand-in's or upstream's.

A case: `says`, `program` (resources by name: `is`, `given`, `options`, `after`; `@net.name` is an output) and `steps`.
A step begins with one of `preview`, `up` (what changes in the program before: null drops a resource, `is` adds one,
else inputs; null drops those), `refresh`, `destroy` or `hand`; then may follow `does` (Pulumi's steps in their order),
`each` (the same by resource, where these have no order), `by` (the inputs that differ, by resource), `fails` (the
text), `there` (the containers, running or not), `count` (how many), `runs` (those that run) and `volumes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import docker
import pytest
from pulumi import automation
from ruamel.yaml import YAML

from infra.toolchain import Toolchain
from tests.infra.provider.bench import filled
from tests.infra.provider.hands import cleared, made_before
from tests.infra.provider.programs import Programmed
from tests.support.engine import Engine
from tests.support.images import TAGS, Images

pytestmark = [
    pytest.mark.slow,
    # Pulumi drops the program's coroutine when the engine fails while the program waits for it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CASES = sorted((Path(__file__).parent / "cases" / "pulumi").glob("*/*.yaml"))


@pytest.fixture
def names(images: Images, docker_client: docker.DockerClient) -> Iterator[Mapping[str, str]]:
    mine = f"crmhost-test-{uuid4().hex[:8]}"
    yield {"name": mine, "image-id": images.python, "other-image": TAGS.redis, "image": TAGS.python}
    cleared(docker_client, mine)


@pytest.fixture
def options(tmp_path: Path, toolchain: Toolchain, provider_path: Path) -> automation.LocalWorkspaceOptions:
    (tmp_path / "state").mkdir()
    path = os.pathsep.join([str(provider_path), str(toolchain.folder), os.environ["PATH"]])
    environment = {
        "PATH": path,
        "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "passphrase",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    command = automation.PulumiCommand(root=str(toolchain.folder.parent))
    return automation.LocalWorkspaceOptions(work_dir=str(tmp_path), env_vars=environment, pulumi_command=command)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parts[-2]}/{path.stem}")
def test_a_case_goes_as_written(
    path: Path,
    engine: Engine,
    docker_client: docker.DockerClient,
    names: Mapping[str, str],
    options: automation.LocalWorkspaceOptions,
) -> None:
    case = cast(dict[str, Any], filled(YAML(typ="safe").load(path), names))
    made_before(docker_client, case.get("with") or {}, names["name"])
    case_of = Programmed(engine.url, docker_client, case["program"])
    case_of.stack = automation.create_stack("case", project_name="case", program=case_of.program, opts=options)
    for number, step in enumerate(case["steps"]):
        taken(case_of, step, names["name"], f"step {number}: {step}")


def taken(case: Programmed, step: Mapping[str, Any], prefix: str, which: str) -> None:
    """Take one step and see that it went as written."""
    if "hand" in step:
        case.hand(step["hand"])
    else:
        verb = next(verb for verb in ("preview", "up", "refresh", "destroy") if verb in step)
        case.change(step[verb] or {})
        done = case.run(verb)
        assert step.get("fails", "") in done.complaint, which
        assert bool(done.complaint) == ("fails" in step), f"{which}: {done.complaint}"
        seen = {"does": done.steps, "each": done.each, "by": done.differs}
        assert seen == seen | {name: step[name] for name in seen if name in step}, which
    containers = case.client.containers.list(all=True, filters={"name": prefix})
    if "there" in step:
        assert sorted(one.name or "" for one in containers) == sorted(step["there"]), which
    if "count" in step:
        assert len(containers) == step["count"], which
    if "volumes" in step:
        volumes = case.client.volumes.list(filters={"name": prefix})
        assert sorted(one.name for one in volumes) == sorted(step["volumes"]), which
    if "runs" in step:
        assert sorted(one.name or "" for one in containers if one.status == "running") == sorted(step["runs"]), which
