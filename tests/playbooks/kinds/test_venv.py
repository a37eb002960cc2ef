"""Virtual environments on a real host: built, interrupted, broken, refused."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from crm.errors import HostError
from crmhost.sandbox.host import Sandbox
from playbooks.converge import apply, changes
from playbooks.host import Host
from playbooks.kind import Resource
from playbooks.kinds.venv import MARKER, VenvKind, VenvWanted
from playbooks.observe import observe
from playbooks.session import lock
from tests.support.hosts import operator, reach, until

pytestmark = pytest.mark.slow

ANY = ((3, 10), (3, 20))
MINOR = sys.version_info[:2]


def venv(lock: str = "", python: tuple[tuple[int, int], tuple[int, int]] = ANY) -> Resource:
    return Resource(VenvKind(), "artifacts/ab", VenvWanted(lock, python))


def converge(host: Host, *resources: Resource, contract: str = "acme") -> None:
    with lock(host, contract, "deploy", "ann") as session:
        apply(session, resources, observe(host, resources).seen, lambda _: None)


def why(host: Host, resource: Resource) -> list[str]:
    return [change.why for change in changes([resource], observe(host, [resource]).seen)]


def test_one_is_built_used_and_mended(host: Host, box: Sandbox) -> None:
    path = box.home / "artifacts" / "ab"
    converge(host, venv())
    digest, version = (path / MARKER).read_text().split()
    assert digest == venv().want.digest
    assert re.fullmatch(r"3\.\d+\.\d+", version)
    assert why(host, venv()) == []
    assert why(host, venv("# other\n")) == ["it was built from another lock"]
    (path / MARKER).unlink()
    (path / "half").touch()
    assert why(host, venv()) == ["its building was interrupted"]
    converge(host, venv())
    assert not (path / "half").exists()
    (path / "bin" / "python").unlink()
    assert why(host, venv()) == ["its interpreter is gone from the host"]
    converge(host, Resource(VenvKind(), "artifacts/ab", None))
    assert not path.exists()


def test_a_lock_that_cannot_be_installed_shows_the_end_of_pip(host: Host, box: Sandbox) -> None:
    with pytest.raises(HostError, match=r"(?s)venv:artifacts/ab failed.*no-such-package-of-crmhost"):
        converge(host, venv("./no-such-package-of-crmhost.whl --hash=sha256:00\n"))
    assert not (box.home / "artifacts" / "ab" / MARKER).exists()
    assert why(host, venv()) == ["its building was interrupted"]


def test_a_requirement_without_hashes_is_refused_by_pip(host: Host) -> None:
    with pytest.raises(HostError, match=r"(?s)venv:artifacts/ab failed.*hash"):
        converge(host, venv("six==1.17.0\n"))


TOOLS = (
    "sh", "flock", "setsid", "base64", "sha256sum", "od", "stat", "mv", "sync", "tr", "mkdir", "rm", "cat", "chmod",
    "date", "head", "tail", "wc", "grep", "ls", "sleep",
)  # fmt: skip


def host_with(tmp_path: Path, **programs: str) -> Sandbox:
    """Return a host whose only Pythons are these shell scripts."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(next(path for path in (Path("/usr/bin", name), Path("/bin", name)) if path.exists()))
    for name, text in programs.items():
        (tools / name.replace("_", ".")).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name.replace("_", ".")).chmod(0o755)
    return Sandbox(tmp_path / "box", profile=f"PATH={tools}")


OLD = "case $2 in *version_info*) echo 3.6.15 ;; *) exit 0 ;; esac"
NO_VENV = "case $2 in *version_info*) echo 3.90.2 ;; *) exit 1 ;; esac"
FUTURE = ((3, 90), (3, 92))  # versions that no machine has in other places than these tests put them


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        ({}, r"no usable Python from 3\.90 to 3\.91 ; no Python at all"),
        ({"python3": OLD}, r"no usable Python from 3\.90 to 3\.91 ; \S+/python3 is 3\.6\.15"),
        ({"python3_90": NO_VENV}, r"is 3\.90\.2, without venv or ensurepip \(on Debian: python3\.90-venv\)"),
        ({"python3_91": "echo 'pyenv: no such version' >&2; exit 127", "python3": OLD}, r"; \S+/python3 is 3\.6\.15"),
    ],
)
def test_a_host_without_a_python_that_will_do(tmp_path: Path, programs: dict[str, str], message: str) -> None:
    with host_with(tmp_path, **programs) as box, reach(box) as host, pytest.raises(HostError, match=message):
        converge(host, venv(python=FUTURE))


def test_two_contracts_build_one_artifact_once(box: Sandbox) -> None:
    def deploy(contract: str) -> None:
        with reach(box) as host:
            converge(host, venv(), contract=contract)

    threads = [Thread(target=deploy, args=(contract,)) for contract in ("acme", "beta")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reach(box) as host:
        assert why(host, venv()) == []


def test_a_killed_deploy_builds_it_again(box: Sandbox, host: Host) -> None:
    source = """
from playbooks.converge import apply
from playbooks.kind import Resource
from playbooks.kinds.venv import VenvKind, VenvWanted
resource = Resource(VenvKind(), "artifacts/ab", VenvWanted("", ((3, 10), (3, 20))))
with lock(host, "acme", "deploy", "ann") as session:
    apply(session, [resource], {}, lambda _: None)
"""
    with operator(box, source) as client:
        until((box.home / "artifacts" / "ab").is_dir, "the building begins")
        client.kill()
    began = time.monotonic()
    until(lambda: not box.running or time.monotonic() - began > 20, "the building ends")
    assert not (box.home / "artifacts" / "ab" / MARKER).exists()
    converge(host, venv())
    assert why(host, venv()) == []
