"""The CI examples: valid YAML, shell that bash reads, commands that exist, and a comment of what happened."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from crmhost.newfleet import create_fleet
from tests.crmhost.conftest import Crmhost
from tests.support.fleets import contract_text, sandboxes

CI = Path(__file__).parents[2] / "docs" / "ci"
COMMENT = CI / "comment.py"
EXAMPLES = ("github-actions.yml", "gitlab-ci.yml")


def example(name: str) -> Any:  # noqa: ANN401 -- whatever YAML holds
    return YAML(typ="safe").load((CI / name).read_text("utf-8"))


def scripts(node: object, key: str = "") -> Iterator[str]:
    """Yield every piece of shell in an example: GitHub's `run`, GitLab's scripts."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from scripts(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from scripts(value, key)
    elif isinstance(node, str) and key in {"run", "script", "before_script", "after_script"}:
        yield node


def commands(name: str) -> list[list[str]]:
    """Return the words of every crmhost command in an example, without what the shell does with its output."""
    lines = [line for script in scripts(example(name)) for line in script.replace("\\\n", " ").splitlines()]
    return [shlex.split(re.split(r"[>|;&]", line)[0]) for line in lines if line.lstrip().startswith("crmhost ")]


def plan_script(name: str) -> str:
    return next(script for script in scripts(example(name)) if "crmhost plan" in script)


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_checks_plans_and_deploys_for_machines(name: str) -> None:
    assert [words[1] for words in commands(name)] == ["check", "plan", "deploy"]
    assert all("--json" in words for words in commands(name)[1:])


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_command_and_option_in_it_exists(crmhost: Crmhost, name: str) -> None:
    for _, verb, *options in commands(name):
        said = crmhost(verb, "--help")
        assert said.code == 0
        for option in options:
            assert not option.startswith("--") or re.search(rf"^\s+{option}\b", said.out, re.MULTILINE), (verb, option)


@pytest.mark.parametrize("name", EXAMPLES)
def test_bash_reads_its_scripts_and_nobody_else_writes_them(name: str) -> None:
    for script in scripts(example(name)):
        read = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (read.returncode, read.stderr) == (0, ""), script
        assert "${{" not in script, "what others wrote (a title, a branch) must not become shell"


def test_github_plans_pull_requests_and_deploys_pushes_one_at_a_time() -> None:
    jobs = example("github-actions.yml")["jobs"]
    assert "github.event_name == 'pull_request'" in jobs["plan"]["if"]
    assert "head.repo.full_name == github.repository" in jobs["plan"]["if"], "a fork must not get the keys"
    assert jobs["deploy"]["if"] == "github.event_name == 'push'"
    assert jobs["deploy"]["concurrency"] == {"group": "crmhost-deploy", "cancel-in-progress": False}


def test_gitlab_plans_merge_requests_and_deploys_the_default_branch_one_at_a_time() -> None:
    found = example("gitlab-ci.yml")
    assert found["plan"]["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
    assert found["deploy"]["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}]
    assert found["deploy"]["resource_group"] == "crmhost-deploy"
    assert found["deploy"]["interruptible"] is False


def comment(verb: str, *lines: dict[str, Any]) -> str:
    run = subprocess.run(
        [sys.executable, str(COMMENT), verb],
        input="".join(f"{json.dumps(line)}\n" for line in lines),
        text=True,
        capture_output=True,
        check=True,
    )
    return run.stdout


def result(contract: str, did: str, **more: object) -> dict[str, Any]:
    return {"type": "result", "contract": contract, "did": did, "changes": None, "error": "", "remedy": "", **more}


CHANGE = {
    "type": "change", "contract": "acme", "resource": "file:site.ini", "action": "update", "why": "the content differs",
    "diff": ["- a", "+ ```@everyone <b>"], "disrupts": "restart",
}  # fmt: skip


def test_the_comment_has_every_change_and_every_error_where_no_markdown_is_read() -> None:
    text = comment(
        "plan",
        CHANGE,
        result("acme", "changes", changes=1),
        result("bolt", "failed", error="the disk is full", remedy="Make room."),
        {"type": "fleet", "results": {"changes": ["acme"], "failed": ["bolt"]}},
    )
    assert text.startswith("<!-- crmhost plan -->\n### crmhost plan: 1 with changes, 1 failed\n")
    assert "| acme | changes | 1 |\n| bolt | failed |  |" in text
    body = "update file:site.ini: the content differs\n    - a\n    + ```@everyone <b>\n    disrupts: restart"
    assert f"\n````text\n{body}\n````\n" in text
    assert "```text\nthe disk is full\nMake room.\n```" in text


def test_a_command_that_died_does_not_look_like_success() -> None:
    assert "### crmhost plan: it ended before it was done; 0 contracts had a result" in comment("plan")


def test_a_comment_is_never_longer_than_a_forge_takes() -> None:
    many = [{**CHANGE, "diff": ["+ " + "x" * 200] * 500}]
    text = comment("plan", *many, result("acme", "changes", changes=1))
    assert len(text) < 65_000
    assert text.rstrip().endswith("…and more: see the job's own output.")
    assert text.count("\n```") % 2 == 0, "the fence is closed"


@pytest.fixture
def fleet(folder: Path) -> Iterator[Path]:
    """A fleet as CI checks it out, with one contract whose host answers, and the commands on its path."""
    home = {**os.environ, "HOME": str(folder.parent / "home")}
    create_fleet(folder, "Test hosting", [f"ssh.key={folder / 'key'}"], home)
    with sandboxes(1, folder / "key", folder / "known_hosts") as (box,):
        (folder / "contracts" / "acme.yaml").write_text(contract_text("acme", ssh=box.address.port))
        (folder / "ci").mkdir()
        (folder / "ci" / "comment.py").write_bytes(COMMENT.read_bytes())
        programs = folder.parent / "bin"
        programs.mkdir()
        for name, line in (("crmhost", f'exec {shlex.quote(sys.executable)} -m crmhost "$@"'), ("curl", "exit 0")):
            (programs / name).write_text(f"#!/bin/sh\n{line}\n")
            (programs / name).chmod(0o755)
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_its_plan_job_really_makes_the_comment(fleet: Path, name: str) -> None:
    """Changes are fine for the job, a failure is not; the comment is there after both."""
    surroundings = {
        **os.environ,
        "PATH": f"{fleet.parent / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(CI.parents[1]),
        "GITHUB_STEP_SUMMARY": str(fleet.parent / "summary.md"),
        **dict.fromkeys(("CRMHOST_COMMENT_TOKEN", "CI_API_V4_URL", "CI_PROJECT_ID", "CI_MERGE_REQUEST_IID"), "x"),
    }
    for expected, code in (("1 with changes", 0), ("1 with changes, 1 failed", 1)):
        ran = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", plan_script(name)], cwd=fleet, env=surroundings, check=False
        )
        said = (fleet / "comment.md").read_text()
        assert f"### crmhost plan: {expected}\n" in said
        assert re.search(r"^create file:\S+: ", said, re.MULTILINE), "acme's changes"
        assert ran.returncode == code
        (fleet / "contracts" / "dead.yaml").write_text(contract_text("dead"))
    assert "cannot connect: Connection refused" in said
