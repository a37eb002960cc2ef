"""One form for every archive: what comes in as tar or zip goes out as the same plain files, or is refused."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.errors import CrmhostError
from crmhost import archive
from crmhost.archive import normalise

FILES = {"htdocs/index.php": b"<?php echo 1;", "htdocs/install/step2.php": b"", "COPYING": b"GPL"}
NAMES = st.text("abcxyzé.-_ ", min_size=1, max_size=6).filter(lambda name: name.strip(".") != "")
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=4).map("/".join), st.binary(max_size=64), min_size=1, max_size=8
).filter(lambda tree: not any(one != other and other.startswith(f"{one}/") for one in tree for other in tree))


def tar_of(path: Path, files: Mapping[str, bytes], *, top: str = "crm-1.0/", mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(top + name)
            entry.size, entry.mode = len(content), 0o775 if name.endswith(".sh") else 0o600
            tar.addfile(entry, io.BytesIO(content))
    return path


def zip_of(path: Path, files: Mapping[str, bytes], *, top: str = "crm-1.0/") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(top + name, content)
    return path


def plain(source: Path, kind: str, strip: int = 1) -> bytes:
    sink = io.BytesIO()
    normalise(source, kind, strip, sink)
    return sink.getvalue()


def members(packed: bytes) -> dict[str, tuple[bytes | None, int]]:
    found: dict[str, tuple[bytes | None, int]] = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for entry in tar:
            assert entry.uid == entry.gid == entry.mtime == 0
            content = tar.extractfile(entry)
            found[entry.name] = (None if content is None else content.read(), entry.mode)
    return found


@pytest.mark.parametrize("make", [lambda path: tar_of(path, FILES), lambda path: zip_of(path, FILES)])
def test_a_tar_and_a_zip_of_the_same_files_come_out_the_same(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    kind = "zip" if zipfile.is_zipfile(make(tmp_path / "a")) else "tar"
    packed = plain(tmp_path / "a", kind)
    assert packed == plain(tar_of(tmp_path / "b", FILES), "tar")
    assert members(packed) == {
        "htdocs": (None, 0o755),
        "htdocs/index.php": (b"<?php echo 1;", 0o644),
        "htdocs/install": (None, 0o755),
        "htdocs/install/step2.php": (b"", 0o644),
        "COPYING": (b"GPL", 0o644),
    }


@settings(deadline=None, max_examples=60)
@given(tree=TREES)
def test_whatever_the_names_are_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("trees")
    out = members(plain(tar_of(folder / "t", tree), "tar"))
    assert {name: content for name, (content, _) in out.items() if content is not None} == tree
    assert out == members(plain(zip_of(folder / "z", tree), "zip"))
    unpacked = folder / "unpacked"
    with tarfile.open(fileobj=io.BytesIO(plain(folder / "z", "zip"))) as tar:
        tar.extractall(unpacked)  # noqa: S202 -- made here just now; Debian 12's Python knows no filter
    assert {str(p.relative_to(unpacked)): p.read_bytes() for p in unpacked.rglob("*") if p.is_file()} == tree


def test_a_program_stays_one_and_nothing_is_open_to_others_to_write(tmp_path: Path) -> None:
    out = members(plain(tar_of(tmp_path / "t", {"bin/run.sh": b"#!/bin/sh\n", "a": b""}), "tar"))
    assert (out["bin/run.sh"][1], out["a"][1]) == (0o755, 0o644)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/passwd", "a\\b", "a//b", "a\nb", "crm/\x1b[2J"])
def test_what_would_not_stay_in_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    for make, kind in ((tar_of, "tar"), (zip_of, "zip")):
        source = make(tmp_path / kind, {"fine": b"", name: b""}, top="")
        with pytest.raises(CrmhostError, match=re.escape(repr(name))):
            plain(source, kind, strip=0)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "t", "w") as tar:
        entry = tarfile.TarInfo("crm-1.0/link")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(CrmhostError, match=r"'crm-1\.0/link' is a link or a device"):
        plain(tmp_path / "t", "tar")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z", "w") as packed:
        entry = zipfile.ZipInfo("crm-1.0/link")
        entry.external_attr = 0o120777 << 16
        packed.writestr(entry, "/etc/passwd")
    with pytest.raises(CrmhostError, match="is a link or a device"):
        plain(tmp_path / "z", "zip")


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b"), ("a/b", "a")])
def test_a_name_that_comes_twice_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with tarfile.open(tmp_path / "t", "w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(f"crm-1.0/{name}"))
    with pytest.raises(CrmhostError, match="comes twice"):
        plain(tmp_path / "t", "tar")


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    source = tmp_path / "page.html"
    source.write_text("<h1>Sign in</h1>")
    for kind in ("tar", "zip"):
        with pytest.raises(CrmhostError, match=r"page\.html: cannot be unpacked"):
            plain(source, kind)


def test_an_archive_that_ends_early_is_named(tmp_path: Path) -> None:
    source = tar_of(tmp_path / "t", {"a": bytes(range(256)) * 4096})
    source.write_bytes(source.read_bytes()[:-200])
    with pytest.raises(CrmhostError, match="cannot be unpacked"):
        plain(source, "tar")


def test_one_without_a_file_below_its_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CrmhostError, match="has no files below its first folder"):
        plain(tar_of(tmp_path / "t", {"a": b""}, top=""), "tar")


def test_one_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    with pytest.raises(CrmhostError, match="unpacks to more than"):
        plain(zip_of(tmp_path / "z", {"a": bytes(1001)}), "zip")
