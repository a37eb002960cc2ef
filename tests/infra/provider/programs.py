"""A program of Pulumi's that a case describes, run by the real engine; and what the engine said that it did.

`python -m tests.infra.provider.programs` runs one command in a process of its own: of a run that fails Pulumi leaves
the program waiting in this one, and a test that kills needs somebody to kill.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import docker
import pulumi
import pulumi_docker
from pulumi import automation
from pulumi.automation import EngineEvent

from tests.infra.provider.hands import by_hand

REPOSITORY = Path(__file__).parents[3]
Described = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a stack lives (its state in `state`), and the folders of Pulumi and of the provider's plugin."""

    folder: str
    pulumi: str
    provider: str

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables with which Pulumi runs there."""
        return {
            "PATH": os.pathsep.join([self.provider, self.pulumi, os.environ["PATH"]]),
            "PULUMI_BACKEND_URL": (Path(self.folder) / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "passphrase",
            "PULUMI_HOME": str(Path(self.folder) / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }


@dataclass
class Run:
    """What one command of Pulumi's did: its steps (all but `same`), what differed by resource, and how it failed.

    `detailed` are the paths of the detailed diffs, `said` the lines that were told as information.
    """

    steps: list[str] = field(default_factory=list)
    differs: dict[str, list[str]] = field(default_factory=dict)
    complaint: str = ""
    error: str = ""
    detailed: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def each(self) -> dict[str, list[str]]:
        """Return the steps of each resource."""
        found: dict[str, list[str]] = {}
        for step in self.steps:
            verb, name = step.split()
            found.setdefault(name, []).append(verb)
        return found


class Programmed:
    """A stack whose program is data: resources by name, each `is` (its type), `given`, `options` and `after`."""

    def __init__(self, workspace: Workspace, engine: str, resources: dict[str, Described]) -> None:
        self.workspace = workspace
        self.engine = engine
        self.resources = resources
        (Path(workspace.folder) / "state").mkdir(exist_ok=True)
        self.stack = automation.create_or_select_stack(
            "case",
            project_name="case",
            program=self.program,
            opts=automation.LocalWorkspaceOptions(
                work_dir=workspace.folder,
                env_vars=workspace.environment,
                pulumi_command=automation.PulumiCommand(root=str(Path(workspace.pulumi).parent)),
            ),
        )

    def program(self) -> None:
        """Declare the resources, on a provider for the engine."""
        provider = pulumi_docker.Provider("engine", host=self.engine)
        made: dict[str, pulumi.CustomResource] = {}
        for name, described in self.resources.items():
            options = pulumi.ResourceOptions(provider=provider, **described.get("options", {}))
            options.depends_on = [made[before] for before in described.get("after", ())]
            inputs = {key: _referred(value, made) for key, value in described["given"].items()}
            made[name] = getattr(pulumi_docker, described["is"])(name, **inputs, opts=options)

    def change(self, changes: Mapping[str, Described | None]) -> None:
        """Change the program: null drops a resource, `is` adds one, else the inputs that are named change."""
        for name, described in changes.items():
            if described is None:
                del self.resources[name]
            elif "is" in described:
                self.resources[name] = described
            else:
                before = self.resources[name]
                inputs = {**before["given"], **described}
                self.resources[name] = {**before, "given": {k: v for k, v in inputs.items() if v is not None}}

    def run(self, verb: str, **arguments: object) -> Run:
        """Run preview, up, refresh or destroy, one resource at a time."""
        done = Run()
        events: list[EngineEvent] = []
        try:
            getattr(self.stack, verb)(on_event=events.append, **{"parallel": 1, **arguments})
        except automation.CommandError as error:
            done.complaint, done.error = str(error), type(error).__name__
        done.steps = [step for event in events if (step := _step(event, refresh=verb == "refresh"))]
        done.differs = dict(filter(None, map(_differs, events)))
        pres = [event.resource_pre_event.metadata for event in events if event.resource_pre_event]
        done.detailed = sorted({path for metadata in pres for path in metadata.detailed_diff or ()})
        told = [event.diagnostic_event for event in events if event.diagnostic_event]
        done.said = [one.message for one in told if one.severity == "info"]
        return done

    def apart(self, verb: str) -> subprocess.Popen[str]:
        """Begin a run in a process of its own, which says on its output what it did."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.infra.provider.programs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        assert process.stdin is not None
        json.dump([asdict(self.workspace), self.engine, self.resources, verb], process.stdin)
        process.stdin.close()
        return process

    def run_apart(self, verb: str) -> Run:
        """Run in a process of its own: what is to fail."""
        with self.apart(verb) as process:
            assert process.stdout is not None
            return Run(**json.load(process.stdout))


def main() -> None:
    """Do what the standard input says."""
    workspace, engine, resources, verb = json.load(sys.stdin)
    json.dump(asdict(Programmed(Workspace(**workspace), engine, resources).run(verb)), sys.stdout)
    sys.stdout.flush()
    os._exit(0)


def hand(client: docker.DockerClient, words: list[str]) -> None:
    """Do something to a container behind Pulumi's back: the verb, its name, and the rest."""
    verb, name, *rest = words
    by_hand(client, name, [verb, *rest])


def _referred(value: object, made: Mapping[str, pulumi.CustomResource]) -> object:
    """Put outputs where a case says `@name.output`, and secrets where it says `!text`."""
    if isinstance(value, str) and value.startswith("!"):
        return pulumi.Output.secret(value[1:])
    if isinstance(value, str) and value.startswith("@"):
        name, _, output = value[1:].partition(".")
        found: object = getattr(made[name], output)
        return found
    if isinstance(value, dict):
        return {key: _referred(item, made) for key, item in value.items()}
    return [_referred(item, made) for item in value] if isinstance(value, list) else value


def _step(event: EngineEvent, *, refresh: bool) -> str:
    found = event.res_outputs_event if refresh else event.resource_pre_event
    if found is None or found.metadata.op.value in ("same", "refresh") or found.metadata.type.startswith("pulumi:"):
        return ""
    return f"{found.metadata.op.value} {found.metadata.urn.rpartition('::')[2]}"


def _differs(event: EngineEvent) -> tuple[str, list[str]] | None:
    found = event.resource_pre_event or event.res_outputs_event
    if found is None or not found.metadata.diffs:
        return None
    return found.metadata.urn.rpartition("::")[2], sorted(found.metadata.diffs)


if __name__ == "__main__":
    main()
