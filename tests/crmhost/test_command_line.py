"""What every command keeps: exit codes, errors of one paragraph, examples in the help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crmhost.cli.verbs import VERBS
from tests.crmhost.conftest import Crmhost

HOST = ("--host", "web1.example", "--user", "acme", "--listen", "127.0.0.1:8100")


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_every_verb_has_an_example_in_its_help(crmhost: Crmhost, verb: str) -> None:
    said = crmhost(verb, "--help")
    assert said.code == 0
    assert "Examples:" in said.out
    assert f"crmhost {verb}" in said.out.split("Examples:")[1]


def test_help_names_every_verb_and_imports_none(crmhost: Crmhost) -> None:
    said = crmhost("--help")
    assert said.code == 0
    assert all(f"  {verb.name} " in said.out for verb in VERBS)
    program = (
        "import sys; from crmhost.__main__ import main; main(['--help']);"
        "print([m for m in sys.modules if m in {'pydantic', 'paramiko', 'sqlalchemy', 'pulumi', 'rich'}])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_no_verb_is_a_mistake_with_the_help(crmhost: Crmhost) -> None:
    said = crmhost()
    assert (said.code, said.out) == (1, "")
    assert "Usage: crmhost" in said.err


def test_a_misspelt_verb_names_the_nearest(crmhost: Crmhost) -> None:
    said = crmhost("deplyo", "acme")
    assert said.code == 1
    assert "no such verb: 'deplyo'. Did you mean 'deploy'?" in said.err


def test_a_usage_error_is_1_because_2_means_changes(crmhost: Crmhost) -> None:
    said = crmhost("plan", "acme", "--jsno")
    assert said.code == 1
    assert said.err.startswith("crmhost: No such option")
    assert "See: crmhost plan --help" in said.err


def test_outside_a_fleet_the_error_says_how_to_make_one(crmhost: Crmhost, folder: Path) -> None:
    said = crmhost("plan", "acme")
    assert said.code == 1
    assert said.err == (
        f"crmhost: {folder}: is not in a fleet: neither this folder nor one above has a crmhost.yaml\n"
        "Make one here: crmhost init, or name one: crmhost --fleet FOLDER …\n"
    )


def test_an_unknown_contract_names_the_nearest(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init", "acme", *HOST)
    said = crmhost("plan", "acmee")
    assert said.code == 1
    assert said.err == f"crmhost: {folder}/contracts/acmee.yaml: there is no such contract\nDid you mean acme?\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("contracts/acme.yaml", "contracts/acme.yaml: is a file, and contracts are called by their names\nWrite acme"),
        ("a*", "a*: one contract is asked for here, by its name\ncrmhost plan and crmhost deploy take globs.\n"),
        ("bolt", "contracts/bolt.yaml: there is no such contract\nIts secrets are there, so it may be deployed still:"),
    ],
)
def test_a_name_that_no_contract_has_is_told_what_it_may_be(
    crmhost: Crmhost, folder: Path, name: str, said: str
) -> None:
    crmhost("init", "acme", *HOST)
    (folder / "secrets" / "bolt").mkdir(parents=True)
    told = crmhost("status", name)
    assert told.code == 1
    assert said in told.err


def test_nothing_is_deployed_before_it_is_signed(crmhost: Crmhost) -> None:
    crmhost("init", "acme", *HOST)
    said = crmhost("deploy", "acme", "--yes")
    assert said.code == 1
    assert said.err.startswith("crmhost: contracts/acme.yaml: term.signed: is absent")


def test_targets_that_nothing_is_deployed_to_are_refused_and_not_half_done(crmhost: Crmhost, folder: Path) -> None:
    made = crmhost("init", "acme", "--target", "saas", "--set", "term.signed=2026-01-10")
    assert made.code == 0, made.err
    for verb in (("plan", "acme"), ("deploy", "acme", "--yes"), ("status", "acme"), ("destroy", "acme", "--yes")):
        said = crmhost(*verb)
        assert said.code == 1
        assert said.err.startswith("crmhost: contracts/acme.yaml: target.kind: saas is somebody else's service")
    assert not list((folder / "secrets").glob("acme/*"))


def test_a_docker_host_needs_to_be_told_which_images_to_use(crmhost: Crmhost, folder: Path) -> None:
    docker = ("--set", "target.docker=ssh://deploy@docker.example")
    made = crmhost("init", "acme", "--target", "cloud", "--set", "term.signed=2026-01-10", *docker)
    assert made.code == 0, made.err
    said = crmhost("plan", "acme")
    assert said.code == 1
    assert said.err.startswith("crmhost: crmhost.yaml: cloud: is absent")
    assert not list((folder / "secrets").glob("acme/*"))


def test_a_host_that_does_not_answer_is_one_clear_error(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init", "acme", "--host", "127.0.0.1", "--port", "9", *HOST[2:], "--set", "term.signed=2026-01-10")
    said = crmhost("plan", "acme")
    assert said.code == 1
    assert said.err.startswith("crmhost: acme@127.0.0.1:9: cannot connect: Connection refused\n")
    assert not list((folder / "secrets").glob("acme/*")), "a plan stores no secret"


def test_a_bug_is_named_as_one_and_shows_no_traceback(folder: Path) -> None:
    """A module that breaks when it is imported stands for any bug."""
    broken = folder / "broken"
    broken.mkdir()
    (broken / "ruamel.py").write_text("raise RuntimeError('deep inside')\n")
    (folder / "acme.yaml").write_text("contract: acme\n")
    run = subprocess.run(
        [sys.executable, "-m", "crmhost", "check", "acme.yaml"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(broken), "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("crmhost: this is a bug in crmhost: RuntimeError\n")
    assert "Traceback" not in run.stderr
