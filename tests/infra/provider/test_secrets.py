"""What becomes of secrets in a container's inputs: in the state, in the events, and on the engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import pytest
from pulumi.automation import EngineEvent

from tests.infra.provider.programs import Programmed, Workspace
from tests.support.engine import RealEngine

pytestmark = pytest.mark.slow

SECRET = "correct-horse-battery-staple"  # noqa: S105 - looked for everywhere
OPEN = "not-a-secret-at-all"


@pytest.fixture
def case(engine: RealEngine, names: Mapping[str, str], workspace: Workspace) -> Programmed:
    given = {
        "name": names["name"],
        "image": names["image"],
        "command": ["sleep", "600"],
        "envs": [f"OPEN={OPEN}", f"!SECRET={SECRET}"],
        "uploads": [{"file": "/etc/open", "content": OPEN}, {"file": "/etc/secret", "content": f"!{SECRET}"}],
    }
    return Programmed(workspace, engine.url, {"web": {"is": "Container", "given": given}})


def test_the_whole_list_is_one_secret_wherever_pulumi_writes(
    case: Programmed, tmp_path: Path, names: Mapping[str, str], docker_client: docker.DockerClient
) -> None:
    events: list[EngineEvent] = []
    said = case.stack.up(on_event=events.append)
    case.stack.refresh(on_event=events.append)
    again = case.stack.preview(on_event=events.append)
    assert set(again.change_summary) == {"same"}

    written = "".join(path.read_text() for path in (tmp_path / "state").rglob("*.json"))
    assert names["name"] in written
    assert SECRET not in written + said.stdout + again.stdout
    assert OPEN not in written, "its neighbours in the list are as secret as it"
    quiet = [one for one in events if one.diagnostic_event is None or one.diagnostic_event.severity != "debug"]
    assert SECRET not in repr(quiet)

    exported: Any = case.stack.export_stack().deployment
    assert SECRET in json.dumps(exported), "whoever exports it reads it"
    seen = json.dumps(docker_client.api.inspect_container(names["name"]))
    assert f"SECRET={SECRET}" in seen, "the environment is open to whoever may inspect"
    assert seen.count(SECRET) == 1, "uploads are not"


def test_debug_events_tell_them(case: Programmed) -> None:
    events: list[EngineEvent] = []
    case.stack.up(on_event=events.append)
    told = [one.diagnostic_event for one in events if one.diagnostic_event and SECRET in one.diagnostic_event.message]
    assert {one.severity for one in told} == {"debug"}
