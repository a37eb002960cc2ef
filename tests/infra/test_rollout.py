"""A rollout is one release, or one and its candidate; nothing else can be asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from crm.errors import Refused
from crm.plan import Release
from infra.rollout import Rollout

OLD = Release("creme", "2.8.5", "0" * 64, "2.8")
NEW = Release("creme", "2.8.6", "1" * 64, "2.8")


def test_the_candidate_is_the_release_that_does_not_serve() -> None:
    assert Rollout("acme", (OLD, NEW), OLD.id).candidate == NEW
    assert Rollout("acme", (NEW,), NEW.id).candidate is None
    assert Rollout("acme", (NEW,), None).candidate == NEW


def test_a_third_release_is_refused() -> None:
    third = Release("creme", "2.8.7", "2" * 64, "2.8")
    with pytest.raises(Refused, match=r"one release and one candidate, not creme-2\.8\.5"):
        Rollout("acme", (OLD, NEW, third), OLD.id)


def test_what_serves_must_be_in_the_stack() -> None:
    with pytest.raises(Refused, match=r"creme-2\.8\.5-000000000000 is to serve, but the stack holds creme-2\.8\.6"):
        Rollout("acme", (NEW,), OLD.id)


@pytest.mark.slow
def test_the_program_says_that_it_is_not_built_yet() -> None:
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "infra/__main__.py"], cwd=root, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode != 0
    assert "cloud driver is not built yet" in run.stderr
