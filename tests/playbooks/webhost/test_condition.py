"""What an account says of its host, asked for real: in one program, and with nothing changed there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crm.errors import HostError
from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.server import Faults
from playbooks.host import Host
from playbooks.kind import Resource
from playbooks.observe import observe
from playbooks.webhost.condition import Condition, ConditionKind, ConditionWanted, Quota
from tests.support.hosts import reach

pytestmark = pytest.mark.slow

THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"


def condition(host: Host, port: int = 1, minors: tuple[str, ...] = (THIS,)) -> Condition:
    seen = observe(host, [Resource(ConditionKind(), "acme", ConditionWanted(minors, port))]).seen["condition:acme"]
    assert isinstance(seen, Condition)
    return seen


def program(box: Sandbox, name: str, text: str) -> None:
    """Put a program where the account finds it first."""
    path = box.root / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)


def test_what_this_machine_says_of_itself(tmp_path: Path) -> None:
    pids: set[int] = set()
    with (
        Sandbox(tmp_path / "box", faults=Faults(watch=lambda _data, pid: pids.add(pid))) as box,
        reach(box) as host,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        before = time.time()
        seen = condition(host, listener.getsockname()[1])
        assert before - 1 <= seen.clock <= time.time()
        assert seen.uid == os.getuid()
        free = shutil.disk_usage(box.home).free
        assert seen.disk is not None
        assert abs(seen.disk - free) < 1 << 30
        assert seen.memory is not None
        assert seen.memory > 1 << 20
        assert seen.pythons[-1].minor == THIS
        assert not seen.pythons[-1].lacks
        assert seen.listeners == (os.getuid(),)
        assert seen.locks
        assert seen.writable
        assert not seen.ours
        assert list(box.home.iterdir()) == [], "nothing was written"
        assert len(pids) == 1, "one program answered all of it"


def test_a_port_where_nobody_listens_and_a_contract_that_is_there(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        (box.home / ".crmhost" / "acme").mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            free = listener.getsockname()[1]
        seen = condition(host, free)
        assert seen.listeners == ()
        assert seen.ours


def test_the_allowed_pythons_are_looked_at_newest_first_until_one_is_whole(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        program(box, "python3.99", 'echo "3.99.1 ensurepip,sqlite3"')
        program(box, "python3.98", "echo 'a banner'; exit 1")
        program(box, "python3.97", 'echo "3.97.4 "')
        program(box, "python3.96", 'echo "3.96.0 "')
        seen = condition(host, minors=("3.99", "3.98", "3.97", "3.96"))
        bin_folder = box.root / "bin"
        assert [(one.path, one.version, one.lacks) for one in seen.pythons] == [
            (f"{bin_folder}/python3.99", "3.99.1", ("ensurepip", "sqlite3")),
            (f"{bin_folder}/python3.97", "3.97.4", ()),
        ]


def test_without_an_allowed_python_those_that_are_there_are_named(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        program(box, "python3", 'echo "3.6.8 "')
        program(box, "python", 'echo "2.7.5 venv"')
        seen = condition(host, minors=("3.99",))
        assert [one.version for one in seen.pythons] == ["3.6.8", "2.7.5"]


def test_a_quota_is_read(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        program(
            box,
            "quota",
            "[ \"$1\" = -wp ] || exit 1\necho 'Disk quotas for user acme (uid 1004):'\n"
            "echo '     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace'\n"
            "echo '      /dev/sda1  100000  500000  600000       0    1000   20000   30000       0'",
        )
        assert condition(host).quotas == (Quota("/dev/sda1", 400_000 * 1024, 19_000),)


def test_answers_of_a_hostile_host_are_data_or_refused(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        program(
            box, "quota", "printf '\\033[2J$(touch pwned) `touch pwned`; touch pwned\\n'; head -c 10000000 /dev/zero"
        )
        program(box, "df", "printf '\\033]0;x\\007\\nnonsense\\n'")
        seen = condition(host)
        assert (seen.quotas, seen.disk, seen.files) == ((), None, None)
        program(box, "id", "echo root")
        with pytest.raises(HostError, match="condition"):
            condition(host)
        assert list(box.home.iterdir()) == []


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_every_shell_says_the_same(tmp_path: Path, shell: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"this machine has no {shell}")
    tools = tmp_path / "tools"
    tools.mkdir()
    names = ["sh"]
    if shell == "busybox":
        listed = subprocess.run([found, "--list"], check=True, capture_output=True, text=True).stdout.split()
        names = ["sh", *(name for name in listed if name not in {"crontab", "python", "python3"})]
    for name in dict.fromkeys(names):
        (tools / name).symlink_to(found)
    with Sandbox(tmp_path / "box", profile=f"PATH={tools}:$PATH") as box, reach(box) as host:
        seen = condition(host)
    assert seen.uid == os.getuid()
    assert seen.disk is not None
    assert seen.memory is not None
    assert seen.listeners is not None
    assert seen.locks
    assert seen.pythons[-1].minor == THIS


def test_of_sets_of_programs_those_of_which_none_is_there(tmp_path: Path) -> None:
    sets = (("mariadb-dumpling", "mysqldumpling"), ("nothing-such", "sh"))
    with Sandbox(tmp_path / "box") as box, reach(box) as host:
        wanted = ConditionWanted((THIS,), 1, programs=sets)
        seen = observe(host, [Resource(ConditionKind(), "acme", wanted)]).seen["condition:acme"]
    assert seen.lacks == sets[:1]
