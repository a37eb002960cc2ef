"""`crmhost plan` and `crmhost deploy` of many contracts, as people and machines meet them: several hosts over SSH."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from crmhost.newfleet import create_fleet
from crmhost.sandbox.host import Sandbox
from tests.crmhost.conftest import Crmhost
from tests.crmhost.test_json_schema import checked
from tests.support.fleets import contract_text, sandboxes
from tests.support.terminal import Terminal
from tests.support.until import until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture
def fleet(folder: Path) -> Path:
    """A fleet without contracts, whose hosts are logged in to with `key`."""
    home = {**os.environ, "HOME": str(folder.parent / "home")}
    create_fleet(folder, "Test hosting", [f"ssh.key={folder / 'key'}"], home)
    return folder


@pytest.fixture
def hosts(fleet: Path) -> Iterator[tuple[Sandbox, ...]]:
    """Three contracts, each on a host of its own."""
    with sandboxes(3, fleet / "key", fleet / "known_hosts") as found:
        for name, box in zip(("acme", "bolt", "acorn"), found, strict=True):
            write(fleet, name, ssh=box.address.port)
        yield found


def write(fleet: Path, name: str, **what: Any) -> None:  # noqa: ANN401 -- see contract_text
    (fleet / "contracts" / f"{name}.yaml").write_text(contract_text(name, **what))


def run(fleet: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as people do, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "crmhost", *arguments],
        cwd=fleet,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def of(lines: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == kind]


def results(lines: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {line["contract"]: line["did"] for line in of(lines, "result")}


@pytest.mark.usefixtures("hosts")
def test_all_are_planned_and_people_see_each_plan_in_order(fleet: Path) -> None:
    said = run(fleet, "plan", "--all")
    assert said.returncode == 2, said.stderr
    heads = said.stdout.splitlines()
    plans = [line.partition(":")[0] for line in heads if "resources differ:" in line]
    assert plans == ["acme", "acorn", "bolt"]
    assert "acme      changes" in said.stdout
    assert heads[-1].startswith("3 contracts: 3 with changes (")
    assert "acme: begins on 127.0.0.1:" in said.stderr
    assert not list((fleet / "secrets").glob("ac*/*")), "a plan stores no secret"


@pytest.mark.usefixtures("hosts")
def test_one_failure_stops_no_other_and_is_the_exit_code(fleet: Path) -> None:
    write(fleet, "dead")
    write(fleet, "early", term="{accepted: 2026-02-01}")
    write(fleet, "theirs", target="{kind: saas}")
    (fleet / "contracts" / "wrong.yaml").write_text("contract: wrong\ncolour: blue\n")
    said = run(fleet, "plan", "--all", "--json")
    assert said.returncode == 1
    lines = checked(said.stdout)
    assert results(lines) == {
        "acme": "changes", "acorn": "changes", "bolt": "changes", "dead": "failed", "early": "left out",
        "theirs": "left out", "wrong": "failed",
    }  # fmt: skip
    assert lines[-1]["exit_code"] == 1
    assert lines[-1]["results"]["failed"] == ["dead", "wrong"]
    assert {line["contract"] for line in of(lines, "plan")} == {"acme", "acorn", "bolt"}
    digests = {line["contract"]: line["digest"] for line in of(lines, "plan")}
    assert all(digests.get(line["contract"]) == line["digest"] for line in of(lines, "result"))
    assert "crmhost: dead: sandbox@127.0.0.1:9: cannot connect: Connection refused\nCheck that the host" in said.stderr
    assert "crmhost: wrong: contracts/wrong.yaml:" in said.stderr
    assert "contracts/wrong.yaml:2: colour: " in said.stderr


def test_a_glob_takes_what_it_matches_and_nothing_is_done_for_one_that_matches_nothing(
    fleet: Path, hosts: tuple[Sandbox, ...]
) -> None:
    said = run(fleet, "plan", "a*", "--json")
    assert said.returncode == 2, said.stderr
    assert set(results(checked(said.stdout))) == {"acme", "acorn"}
    said = run(fleet, "plan", "a*", "x*", "--json")
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("crmhost: no contract matches 'x*'; nothing was done\n")
    assert len(hosts) == 3


@pytest.mark.usefixtures("hosts")
def test_one_contract_by_its_name_says_what_it_always_said(fleet: Path) -> None:
    alone = run(fleet, "plan", "acme", "--json")
    assert alone.returncode == 2
    lines = checked(alone.stdout)
    assert {line["type"] for line in lines} == {"change", "plan"}
    many = checked(run(fleet, "plan", "acm*", "--json").stdout)
    assert lines == [line for line in many if line["type"] in {"change", "plan"}], "the very same lines"


def test_a_deploy_of_many_needs_somebody_or_yes(fleet: Path, hosts: tuple[Sandbox, ...]) -> None:
    said = run(fleet, "deploy", "--all")
    assert said.returncode == 1
    assert said.stderr.endswith(
        "crmhost: nobody is here to confirm the plans; nothing was done\nLook at them, then add --yes.\n"
    )
    assert not any((box.home / ".crmhost").exists() for box in hosts)


def test_a_canary_that_fails_leaves_every_other_untouched(fleet: Path, hosts: tuple[Sandbox, ...]) -> None:
    write(fleet, "aaa")
    said = run(fleet, "deploy", "--all", "--yes", "--canary", "1", "--json")
    assert said.returncode == 1
    lines = checked(said.stdout)
    assert results(lines) == {"aaa": "failed", "acme": "not begun", "acorn": "not begun", "bolt": "not begun"}
    assert of(lines, "result")[1]["error"] == "the canary aaa was not deployed"
    assert not any((box.home / ".crmhost").exists() for box in hosts)


def test_a_host_that_was_never_seen_asks_nobody_and_says_where_it_would(
    fleet: Path, hosts: tuple[Sandbox, ...]
) -> None:
    (fleet / "known_hosts").unlink()
    said = run(fleet, "plan", "acme", "bolt")
    assert said.returncode == 1
    assert f"its key {hosts[0].fingerprint} is not known, and was not accepted" in said.stderr
    assert "Over many contracts nobody is asked; this one alone asks: crmhost plan acme" in said.stderr


def test_a_fleet_needs_a_contract_and_a_command_a_name(crmhost: Crmhost, fleet: Path) -> None:
    said = crmhost("deploy", "--all", "--yes")
    assert (said.code, said.err) == (1, "crmhost: the fleet has no contract\nMake one: crmhost init NAME\n")
    said = crmhost("plan")
    assert (said.code, said.err) == (1, "crmhost: Missing argument 'NAME…', or --all.\nSee: crmhost plan --help\n")
    said = crmhost("plan", "acme", "--all")
    assert (said.code, said.err.splitlines()[0]) == (
        1, "crmhost: --all means every contract, so no name stands beside it",
    )  # fmt: skip
    assert fleet.is_dir()


@contextmanager
def silent() -> Iterator[tuple[int, list[socket.socket]]]:
    """A port that takes connections and says nothing, so that a log-in waits."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            with suppress(OSError):
                while True:
                    taken.append(server.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        try:
            yield server.getsockname()[1], taken
        finally:
            for one in taken:
                one.close()


def test_ctrl_c_ends_all_and_names_what_was_not_done(fleet: Path) -> None:
    with silent() as (port, taken):
        for name in ("a", "b", "c"):
            write(fleet, name, ssh=port)
        with subprocess.Popen(
            [sys.executable, "-m", "crmhost", "plan", "--all", "--parallel", "2"],
            cwd=fleet,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            until(lambda: len(taken) == 2, "two log-ins wait", 60)
            began = time.monotonic()
            children = psutil.Process(process.pid).children()
            assert len(children) == 2
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 10, "it did not wait until the log-ins were given up"
    assert out.splitlines()[-1].endswith("Not done: a, b, c.")
    assert "stopping: a, b" in err
    assert "Traceback" not in out + err
    assert not any(child.is_running() for child in children)


def test_ctrl_c_of_one_deploy_says_how_it_goes_on(fleet: Path) -> None:
    with silent() as (port, taken):
        write(fleet, "a", ssh=port)
        with subprocess.Popen(
            [sys.executable, "-m", "crmhost", "deploy", "a", "--yes"],
            cwd=fleet,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            until(lambda: len(taken) == 1, "the log-in waits", 60)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
    # Python ends by the signal itself where that met a module that makes classes from text; shells say 130 of both.
    assert process.returncode in {130, -signal.SIGINT}, err
    assert err.splitlines()[-1] == "stopped; the same command again goes on."


def test_a_reader_that_goes_away_ends_it(fleet: Path) -> None:
    """As in `crmhost plan --all --json | head -1`."""
    with silent() as (port, taken):
        for name, ssh in (("a", port), ("b", port), ("c", 9), ("d", 9)):
            write(fleet, name, ssh=ssh)
        with subprocess.Popen(
            [sys.executable, "-m", "crmhost", "plan", "--all", "--json", "--parallel", "3"],
            cwd=fleet,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            until(lambda: len(taken) == 2, "two log-ins wait", 60)
            children = psutil.Process(process.pid).children()
            process.stdout.close()
            process.send_signal(signal.SIGINT)  # so that there is something to say
            process.wait(30)
    assert process.returncode == 1
    assert not any(child.is_running() for child in children)


def test_fail_fast_asks_nobody_about_the_others(fleet: Path, hosts: tuple[Sandbox, ...]) -> None:
    write(fleet, "aaa")
    said = run(fleet, "deploy", "--all", "--fail-fast", "--parallel", "1", "--json")
    assert said.returncode == 1
    assert results(checked(said.stdout))["acme"] == "not begun"
    write(fleet, "zzz")
    (fleet / "contracts" / "aaa.yaml").unlink()
    said = run(fleet, "deploy", "--all", "--fail-fast", "--parallel", "1", "--json")
    assert said.returncode == 1
    assert checked(said.stdout)[-1]["results"] == {"not begun": ["acme", "acorn", "bolt"], "failed": ["zzz"]}
    assert not any((box.home / ".crmhost").exists() for box in hosts)


def test_on_a_terminal_there_is_a_live_table_and_one_question_for_all(fleet: Path, hosts: tuple[Sandbox, ...]) -> None:
    write(fleet, "dead")
    terminal = Terminal(fleet, "deploy", "--all")
    terminal.wait_for("do this for 3 of them (acme, acorn, bolt)? [y/N]:")
    before = terminal.shown
    assert "of 4 ended" in before, "the table's caption"
    assert "crmhost: dead: sandbox@127.0.0.1:9: cannot connect: Connection refused" in before
    terminal.type("n\n")
    assert terminal.end() == 1
    assert "acorn     declined" in terminal.shown
    assert not any((box.home / ".crmhost").exists() for box in hosts)
