"""Real deploys of several customers at once, each on a host of its own, over SSH; one of them fails."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crmhost.fleetwide.pool import run_all
from crmhost.fleetwide.schedule import Rules
from tests.support.deployments import Customer, build_artifacts
from tests.support.fleets import Seen, SmallDeploy, customers, jobs, sites

pytestmark = pytest.mark.slow
NAMES = ("acme", "bolt", "acorn")


@pytest.fixture
def found() -> Iterator[dict[str, Customer]]:
    """Three customers."""
    with tempfile.TemporaryDirectory(prefix="crmhost-venvs-") as folder:
        build_artifacts(Path(folder))
        with customers(Path(folder), *NAMES) as found:
            yield found


def test_one_fails_the_others_serve_and_again_finishes_it(found: dict[str, Customer]) -> None:
    work = SmallDeploy(sites(found))
    in_the_way = found["bolt"].root / "releases"
    in_the_way.parent.mkdir(mode=0o700, parents=True)
    in_the_way.write_text("a file where a folder must be")
    seen = Seen()
    ran = run_all(jobs(*NAMES), work, Rules(3), seen)
    assert [ending.did for ending in ran.endings] == ["deployed", "failed", "deployed"], ran.endings
    assert seen.most[""] == 3, "all at once"
    assert "releases" in ran.endings[1].what
    assert found["acme"].get() == found["acorn"].get() == "200 ready 1.0, 1 accounts"
    assert found["bolt"].get() == "down"
    in_the_way.unlink()
    again = run_all(jobs(*NAMES), work, Rules(3), Seen())
    assert [ending.did for ending in again.endings] == ["nothing", "deployed", "nothing"], again.endings
    assert found["bolt"].get() == "200 ready 1.0, 1 accounts"


def test_a_canary_that_does_not_serve_keeps_the_next_version_from_the_others(found: dict[str, Customer]) -> None:
    first = run_all(jobs(*NAMES), SmallDeploy(sites(found)), Rules(3), Seen())
    assert {ending.did for ending in first.endings} == {"deployed"}
    found["acme"].fault("web")
    ran = run_all(jobs(*NAMES), SmallDeploy(sites(found), "1.1"), Rules(3, canary=1), Seen())
    assert [ending.did for ending in ran.endings] == ["failed", "not begun", "not begun"], ran.endings
    assert found["bolt"].get() == "200 ready 1.0, 1 accounts"
