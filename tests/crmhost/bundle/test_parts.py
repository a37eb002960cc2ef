"""What a bundle is made from: locks in parts, files that a lock names, crmhost itself, sorts of servers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.errors import HostError
from crmhost.bundle import own
from crmhost.bundle.gather import Wanted, check, parts
from crmhost.bundle.ground import Ground, release_in
from playbooks.kinds.venv import VenvWanted
from tests.crmhost.bundle.conftest import GROUND, KEY, signed

LOCK = """\
# a comment
alpha==1 \\
    --hash=sha256:aa
    # via beta
beta==2 ; python_version < '3.12' \\
    --hash=sha256:bb
"""


@given(st.integers(1, 6), st.integers(0, 9))
def test_a_lock_in_parts_has_each_requirement_once_with_its_hashes(count: int, size: int) -> None:
    blocks = [f"name{number}==1 \\\n    --hash=sha256:{number}\n    # via x" for number in range(size)]
    found = parts("# head\n" + "\n".join(blocks) + "\n", count)
    assert sorted(line for part in found for line in part.splitlines() if "==" in line) == sorted(
        block.splitlines()[0] for block in blocks
    )
    assert len(found) == min(count, size)
    for part in found:
        lines = part.splitlines()
        names = [line[4:].partition("=")[0] for line in lines if "==" in line]
        assert names == [line.rpartition(":")[2] for line in lines if "--hash" in line]


def test_a_marker_stays_with_its_requirement() -> None:
    assert parts(LOCK, 2)[1] == "beta==2 ; python_version < '3.12' \\\n    --hash=sha256:bb\n\n"


def wanted(lock: str) -> Wanted:
    return Wanted(("nginx",), VenvWanted(lock, ((3, 11), (3, 12))), "", "")


def test_a_python_package_that_no_lock_names_is_refused(tmp_path: Path) -> None:
    for path, content in {"debs/a.deb": b"deb", "wheels/a.whl": b"wheel"}.items():
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_bytes(content)
    check(tmp_path, wanted(f"a==1 --hash=sha256:{hashlib.sha256(b'wheel').hexdigest()}"))
    with pytest.raises(HostError, match=r"wheels/a\.whl: its hash is not in the lock; it was not taken"):
        check(tmp_path, wanted(f"a==1 --hash=sha256:{hashlib.sha256(b'other').hexdigest()}"))
    (tmp_path / "debs" / "a.deb").unlink()
    with pytest.raises(HostError, match="no Debian packages came"):
        check(tmp_path, wanted(f"a==1 --hash=sha256:{hashlib.sha256(b'wheel').hexdigest()}"))


def test_the_wheel_of_crmhost_is_whole_and_always_the_same(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    path = own.write_wheel(tmp_path)
    assert own.write_wheel(tmp_path / "again").read_bytes() == path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    assert {"crmhost/__main__.py", "crmhost/bundle/run.txt", "playbooks/kinds/venv.py", "crm/sql/dump.sql"} <= names
    assert not [name for name in names if "__pycache__" in name]
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = ["install", "--no-index", "--no-deps", "--quiet", "--disable-pip-version-check", str(path)]
    subprocess.run([environment / "bin" / "python", "-m", "pip", *install], check=True)
    code = "import importlib.metadata as m; print(m.version('crmhost'), len(list(m.files('crmhost'))))"
    said = subprocess.run([environment / "bin" / "python", "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.split()[0] == own.version()
    assert (environment / "bin" / "crmhost").exists()


def test_the_program_of_a_bundle_needs_nothing_but_python(tmp_path: Path) -> None:
    own.write_program(tmp_path / "install.pyz")
    own.write_program(tmp_path / "again.pyz")
    assert (tmp_path / "install.pyz").read_bytes() == (tmp_path / "again.pyz").read_bytes()
    (tmp_path / "acme.bundle").write_bytes(signed(tmp_path / "files"))
    right = program(tmp_path, "acme.bundle", "--key", KEY.public)
    assert right.returncode == 1
    assert "acme.bundle: it is for debian 12 (amd64) with Python 3.11.2, and here" in right.stderr
    assert right.stderr.splitlines()[0].endswith("; nothing was done")
    wrong = program(tmp_path, "acme.bundle", "--key", "0" * 64)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("acme.bundle: it is not signed by this key")
    (tmp_path / "acme.bundle").write_bytes(b"something else")
    assert program(tmp_path, "acme.bundle", "--key", KEY.public).stderr.startswith("acme.bundle: it ends in the middle")
    assert program(tmp_path, "missing", "--key", KEY.public).stderr == "missing: No such file or directory\n"


def program(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as root of a bare machine would: no package is found but the standard library."""
    here = "import platform; platform.python_version = lambda: '3.99.0'"
    code = f"{here}; import runpy, sys; sys.argv = ['install.pyz', *{arguments!r}]; runpy.run_path('install.pyz')"
    python = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.run(python, cwd=folder, capture_output=True, text=True, check=False)


def test_a_server_of_another_sort_is_told_in_words() -> None:
    assert GROUND.differs(GROUND) == ()
    assert GROUND.differs(Ground("debian 13", "amd64", "3.13.5")) == (
        "the system is debian 13, not debian 12",
        "Python is 3.13.5, not 3.11.2",
    )


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "debian 12"),
        ("NAME='x'\nVERSION_ID=24.04\nID=ubuntu\n", "ubuntu 24.04"),
        ("ID=debian\nPRETTY_NAME=Debian sid\n", "debian unknown"),
        ("", "unknown unknown"),
    ],
)
def test_a_release_is_read_from_what_the_system_says(text: str, release: str) -> None:
    assert release_in(text) == release
