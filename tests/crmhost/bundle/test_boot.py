"""How crmhost comes to a server where nothing of it is: proven first, installed without a network, used again."""

from __future__ import annotations

import ensurepip
import subprocess
from pathlib import Path

import pytest

from crmhost.bundle import own
from crmhost.bundle.boot import brought, here
from crmhost.bundle.format import BadBundle
from tests.crmhost.bundle.conftest import KEY, signed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle for this very machine: crmhost, and the pip that Python itself brings."""
    folder = tmp_path_factory.mktemp("carried")
    files = {"debs/a.deb": b"deb", f"own/{_pip().name}": _pip().read_bytes()}
    wheel = own.write_wheel(folder)
    path = folder / "acme.bundle"
    path.write_bytes(signed(folder / "files", {**files, f"own/{wheel.name}": wheel.read_bytes()}, here()))
    return path


def _pip() -> Path:
    places = (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels"))
    return next(wheel for place in places for wheel in sorted(place.glob("pip-*.whl")))


def test_crmhost_is_installed_once_and_then_used_again(carried: Path, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    crmhost = brought(carried, KEY.public, tool)
    assert crmhost.read_text().startswith("#!")
    assert {path.name for path in tool.iterdir()} == {"current", crmhost.parents[1].name}
    assert (tool / "current").resolve() == crmhost.parents[1]
    show = "import crmhost.bundle.format as f; print(f.__file__)"
    said = subprocess.run([crmhost.parent / "python", "-I", "-c", show], capture_output=True, text=True, check=True)
    assert Path(said.stdout.strip()).is_relative_to(crmhost.parents[1])
    before = crmhost.stat().st_mtime_ns
    assert brought(carried, KEY.public, tool) == crmhost
    assert crmhost.stat().st_mtime_ns == before


def test_nothing_is_installed_from_a_bundle_that_is_not_whole(carried: Path, tmp_path: Path) -> None:
    raw = bytearray(carried.read_bytes())
    raw[-2000] ^= 1  # in its last file, long after the first one of crmhost
    spoilt = tmp_path / "spoilt"
    spoilt.write_bytes(raw)
    with pytest.raises(BadBundle, match="not the file that was signed"):
        brought(spoilt, KEY.public, tmp_path / "tool")
    assert list((tmp_path / "tool").iterdir()) == []
    with pytest.raises(BadBundle, match="not signed by this key"):
        brought(carried, "0" * 64, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_installation_that_was_interrupted_is_made_anew(carried: Path, tmp_path: Path) -> None:
    crmhost = brought(carried, KEY.public, tmp_path)
    place = crmhost.parents[1]
    (place / ".complete").unlink()
    crmhost.unlink()
    (tmp_path / "incoming").mkdir()
    assert brought(carried, KEY.public, tmp_path) == crmhost
    assert crmhost.exists()
    assert not (tmp_path / "incoming").exists()
