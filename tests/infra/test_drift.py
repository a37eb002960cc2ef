"""Drift: what was recorded, what the engine shows, and exactly what is named and told to whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from crm.plan import Release
from infra import expected, naming
from infra.drift import drift
from infra.engine.seen import Seen, SeenContainer, SeenNetwork
from infra.expected import Expected
from infra.rollout import Limits, Placed, Rollout, Runs, Service

CASES = sorted((Path(__file__).parent / "drift" / "cases").glob("*.yaml"))
IMAGE = "sha256:" + "a" * 64
MEMORY = 128


def placed(version: str, slot: str, schema: str = "1") -> Placed:
    runs = tuple(Runs(name, ("python", name), {}, "/release", 10, Limits(MEMORY, "1.0")) for name in ("web", "worker"))
    release = Release("smallapp", version, ("c" + version.replace(".", "")).ljust(64, "0"), schema)
    return Placed(release, IMAGE, "a" if slot == "a" else "b", "crm.acme.example", runs, ("true",), ())


def rollout(case: dict[str, Any]) -> Rollout:
    now, candidate = placed("1.1", "a"), placed("2.0", "b")
    return Rollout(
        "acme",
        Service(case.get("database", IMAGE), Limits(512, "1.0")),
        Service(IMAGE, Limits(64, "0.5")),
        releases=(now, candidate) if "candidate" in case else (now,),
        serving=now.release.id,
        waiting=case.get("candidate") == "waiting",
    )


def healthy(want: Expected) -> SeenContainer:
    """Return the container as Docker shows it when all is well."""
    labels = naming.labels("acme", want.role, want.release, want.rekeyed)
    memory = want.limits.memory_mb << 20
    return SeenContainer(
        id="1" * 64, name=want.name, image=want.image, state="exited" if want.once else "running", health="", code=0,
        labels=labels, networks=dict(want.networks) or {"none": frozenset()}, mounts=(), user=want.user,
        read_only=not want.once, memory=memory, memory_swap=memory, nano_cpus=round(float(want.limits.cpus) * 1e9),
        restart="no" if want.once else "unless-stopped", capabilities=frozenset(), dropped=frozenset({"ALL"}),
        security=frozenset({"no-new-privileges:true"}), ports={}, restarts=0, created=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def seen(case: dict[str, Any], wanted: Rollout) -> Seen:
    containers = {each.name: healthy(each) for each in expected.containers(wanted)}
    for old, new in case.get("copy", {}).items():
        containers[new] = replace(containers[old], name=new)
    for old, new in case.get("rename", {}).items():
        containers[new] = replace(containers.pop(old), name=new)
    for name, fields in case.get("seen", {}).items():
        containers[name] = replace(containers[name], **{key: _typed(value) for key, value in fields.items()})
    gone = set(case.get("gone", ()))
    network = naming.network("acme")
    return Seen(
        "acme",
        {name: each for name, each in containers.items() if name not in gone},
        {name: {} for name in expected.volumes(wanted) if name not in gone},
        {} if network in gone else {network: SeenNetwork(network, not case.get("outside", False), {})},
    )


def _typed(value: Any) -> Any:  # noqa: ANN401 -- whatever YAML can say
    if isinstance(value, list):
        return frozenset(value)
    if isinstance(value, dict) and all(isinstance(each, list) for each in value.values()):
        return {key: frozenset(each) for key, each in value.items()}
    return value


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_case(path: Path) -> None:
    case = YAML(typ="safe").load(path.read_text())
    wanted = rollout(case)
    found = drift(wanted, seen(case, wanted), case.get("images", {}))
    assert [[each.resource, each.action, each.why, each.disrupts] for each in found.changes] == case["changes"]
    assert [repr(each) for each in found.mends] == case.get("mends", [])
    assert found.refresh == case.get("refresh", False)


def test_there_are_cases() -> None:
    assert len(CASES) > 20
