"""One connection: what is asked and sent, and everything that may come back instead."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from crm.errors import HostError
from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.server import Faults
from playbooks.host import Host
from playbooks.kind import Put
from playbooks.shell import lines, sh
from tests.support.hosts import reach

pytestmark = pytest.mark.slow


def test_the_answer_is_what_the_script_printed(host: Host) -> None:
    assert host.ask(sh("printf 'a\\n\\nb'; echo loud >&2")) == b"a\n\nb"
    assert host.ask(sh(":")) == b""


def test_a_noisy_profile_is_not_part_of_the_answer(tmp_path: Path) -> None:
    profile = "echo 'Welcome! 40 % off'; printf '\\033[31mmotd'; echo warning >&2"
    with Sandbox(tmp_path / "box", profile=profile) as box, reach(box) as host:
        assert host.ask(sh("echo answer")) == b"answer\n"
        assert host.home == str(box.home)


def test_a_script_that_reads_does_not_eat_its_own_rest(host: Host) -> None:
    assert host.ask(lines(sh("cat"), sh("echo still here"))) == b"still here\n"


def test_a_script_that_exits_early_is_whole(host: Host) -> None:
    assert host.ask(sh("echo one; exit 0; echo two")) == b"one\n"


def test_a_failing_script_shows_the_end_of_its_complaint(host: Host) -> None:
    with pytest.raises(HostError, match=r"a script ended with 3: it \\x1b\[31mhurts"):
        host.ask(sh("printf 'it \\033[31mhurts\\n' >&2; exit 3"))


def test_an_answer_of_ten_megabytes_is_refused(host: Host) -> None:
    with pytest.raises(HostError, match="longer than 1048576 bytes"):
        host.ask(sh("head -c 10000000 /dev/zero"))
    assert host.ask(sh("echo fine")) == b"fine\n"


def test_much_standard_error_blocks_nothing(host: Host) -> None:
    assert host.ask(sh("head -c 10000000 /dev/zero >&2; echo done")) == b"done\n"


def test_a_hanging_host_is_given_up(host: Host) -> None:
    began = time.monotonic()
    with pytest.raises(HostError, match=r"no answer within 0\.5 s"):
        host.ask(sh("sleep 60"), timeout=0.5)
    assert time.monotonic() - began < 5


def test_an_account_without_a_shell(tmp_path: Path) -> None:
    with (
        Sandbox(tmp_path / "box", profile="echo 'This account has no shell.'; exit 0") as box,
        reach(box) as host,
        pytest.raises(HostError, match=r"runs no POSIX shell, or it ended early; it answered: 'This account has no"),
    ):
        host.ask(sh("echo hi"))


def test_a_lost_connection_says_so(box: Sandbox) -> None:
    with reach(box) as host:
        box.cut()
        with pytest.raises(HostError, match="the connection was lost"):
            host.ask(sh("echo hi"))


def test_files_arrive_for_the_account_alone(host: Host, box: Sandbox) -> None:
    host.put([Put("a", b"one"), Put("b", bytes(300_000))], f"{host.home}/staging")
    folder = box.home / "staging"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {"a": 0o600, "b": 0o600}
    assert (folder / "a").read_bytes() == b"one"
    assert (folder / "b").stat().st_size == 300_000


def test_a_file_is_tight_before_its_first_byte(tmp_path: Path) -> None:
    """Where the upload breaks off, what lies there is closed to others already, in an open folder too."""
    with Sandbox(tmp_path / "box", faults=Faults(full_after=0)) as box, reach(box) as host:
        (box.home / "staging").mkdir(mode=0o755)
        with pytest.raises(HostError):
            host.put([Put("a", b"secret")], f"{host.home}/staging")
        assert stat.S_IMODE((box.home / "staging" / "a").stat().st_mode) == 0o600
        assert stat.S_IMODE((box.home / "staging").stat().st_mode) == 0o700


def test_a_full_host_is_one_clear_error(tmp_path: Path) -> None:
    with (
        Sandbox(tmp_path / "box", faults=Faults(full_after=100_000)) as box,
        reach(box) as host,
        pytest.raises(HostError, match=r"cannot write files to .*staging") as caught,
    ):
        host.put([Put("a", bytes(200_000))], f"{host.home}/staging")
    assert "Free some space or quota" in caught.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="this machine cannot have a small file system mounted: it takes root")
def test_a_really_full_file_system_is_named(host: Host, small: Path) -> None:
    with pytest.raises(HostError, match="No space left on device"):
        host.put([Put("a", bytes(4_000_000))], f"{small}/staging")


def test_a_place_that_cannot_be_written_is_named(host: Host, box: Sandbox) -> None:
    (box.home / "staging").write_text("in the way")
    with pytest.raises(HostError, match=r"cannot write files to .*staging: (?s:.*)(File exists|Not a directory)"):
        host.put([Put("a", b"x")], f"{host.home}/staging")


def test_a_cut_in_the_middle_of_an_upload(tmp_path: Path) -> None:
    with (
        Sandbox(tmp_path / "box", faults=Faults(cut_after=500_000)) as box,
        reach(box) as host,
        pytest.raises(HostError, match="the connection was lost"),
    ):
        host.put([Put("a", bytes(3_000_000))], f"{host.home}/staging", timeout=10)
