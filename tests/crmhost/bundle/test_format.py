"""The form of a bundle: what is not byte for byte what was signed is refused, wherever it differs."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crmhost.bundle.format import BadBundle, Manifest, Piece, decoded, encoded, into, read_files, read_head, write
from monitor.statement.signature import SigningKey, signature_holds
from tests.crmhost.bundle.conftest import FILES, GROUND, KEY, signed


def read(raw: bytes, key: str = KEY.public) -> dict[str, bytes]:
    """Return the files of a bundle."""
    found: dict[str, bytes] = {}

    def sink(piece: Piece, parts: Iterator[bytes]) -> None:
        found[piece.path] = b"".join(parts)

    source = io.BytesIO(raw)
    read_files(source, read_head(source, key, signature_holds), sink)
    return found


def test_what_was_packed_comes_out(bundle: bytes) -> None:
    assert read(bundle) == FILES
    assert next(iter(read(bundle))) == "install.pyz"


def test_the_same_files_make_the_same_bytes(bundle: bytes, tmp_path: Path) -> None:
    assert signed(tmp_path) == bundle


def test_tar_lists_it_and_takes_its_program_out(bundle: bytes, tmp_path: Path) -> None:
    (tmp_path / "acme.bundle").write_bytes(bundle)
    listed = subprocess.run(["tar", "-tf", "acme.bundle"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines()[:3] == ["manifest.json", "manifest.sig", "install.pyz"]
    subprocess.run(["tar", "-xf", "acme.bundle", "install.pyz"], cwd=tmp_path, check=True)
    assert (tmp_path / "install.pyz").read_bytes() == FILES["install.pyz"]


@pytest.mark.slow
def test_every_single_byte_counts(bundle: bytes) -> None:
    for at in range(len(bundle)):
        changed = bytearray(bundle)
        changed[at] ^= 1
        with pytest.raises(BadBundle):
            read(bytes(changed))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_other_value_of_any_byte_is_refused(bundle: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(bundle) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != bundle[at]))
    with pytest.raises(BadBundle):
        read(bundle[:at] + bytes([value]) + bundle[at + 1 :])


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_what_ends_early_is_refused(bundle: bytes, data: st.DataObject) -> None:
    with pytest.raises(BadBundle, match=r"ends in the middle|no bundle"):
        read(bundle[: data.draw(st.integers(0, len(bundle) - 1))])


@pytest.mark.parametrize("more", [b"\0", b"\0" * 512, b"x"])
def test_something_behind_the_end_is_refused(bundle: bytes, more: bytes) -> None:
    with pytest.raises(BadBundle, match="behind its end"):
        read(bundle + more)


def test_another_key_is_refused(bundle: bytes) -> None:
    other = SigningKey(bytes(32))
    with pytest.raises(BadBundle, match="not signed by this key"):
        read(bundle, other.public)


def test_files_in_another_order_are_refused(bundle: bytes) -> None:
    names = [piece.path for piece in _manifest(bundle).files]
    first, second = (bundle.index(name.encode() + b"\0") for name in ("fleet/crmhost.yaml", "install.pyz"))
    assert names[0] == "install.pyz"
    swapped = bundle[:second] + bundle[first : first + 512] + bundle[second:first] + bundle[first + 512 :]
    assert len(swapped) == len(bundle)
    with pytest.raises(BadBundle, match="differs from what was signed"):
        read(swapped)


def test_a_file_that_changes_while_it_is_packed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"two")
    with pytest.raises(BadBundle, match="changed while the bundle was written"):
        write(io.BytesIO(), b"{}", "0" * 128, [(Piece("a", 3, "0" * 64), tmp_path / "a")])


def test_what_is_unpacked_is_for_nobody_else(bundle: bytes, tmp_path: Path) -> None:
    source = io.BytesIO(bundle)
    read_files(source, read_head(source, KEY.public, signature_holds), into(tmp_path))
    found = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o600}


A, B = ["a/b", 1, "0" * 64], ["c", 1, "0" * 64]


def files(*entries: list[Any]) -> Callable[[dict[str, Any]], None]:
    return lambda plain: plain.update(files=list(entries))


WRONG: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a path upward": (files(["../a", 1, "0" * 64]), "one of its files has a path that no bundle has"),
    "a path upward inside": (files(["a/../../b", 1, "0" * 64]), "one of its files has a path that no bundle has"),
    "an absolute path": (files(["/etc/passwd", 1, "0" * 64]), "one of its files has a path that no bundle has"),
    "a path with a newline": (files(["a\n", 1, "0" * 64]), "one of its files has a path that no bundle has"),
    "a hidden file": (files([".ssh", 1, "0" * 64]), "one of its files has a path that no bundle has"),
    "a path that is a number": (files([1, 1, "0" * 64]), "one of its files has a path that no bundle has"),
    "out of order": (files(B, A), "its files are not in order"),
    "twice": (files(A, A), "its files are not in order"),
    "the program last": (files(A, ["install.pyz", 1, "0" * 64]), "its files are not in order"),
    "a file and a folder": (files(["a", 1, "0" * 64], A), "a is a file and a folder"),
    "a negative size": (files(["a", -1, "0" * 64]), "a: its size cannot be right"),
    "an endless size": (files(["a", 1 << 50, "0" * 64]), "a: its size cannot be right"),
    "a size with a point": (files(["a", 1.0, "0" * 64]), "a: its size cannot be right"),
    "a size that is a truth": (files(["a", True, "0" * 64]), "a: its size cannot be right"),
    "no checksum": (files(["a", 1, "0" * 63]), "a: its checksum is no SHA-256"),
    "no files": (files(), "it has 0 files; a bundle has at most 10000"),
    "a short entry": (files(["a", 1]), "its manifest cannot be read: TypeError"),
    "an unknown key": (lambda plain: plain.update(more=1), "its manifest is not in the one form that a manifest has"),
    "a control character": (lambda plain: plain.update(crm="\x1b[2J"), "its manifest holds what is no text"),
    "a number as text": (lambda plain: plain.update(contract=1), "its manifest holds what is no text"),
    "no ground": (lambda plain: plain.update(ground={}), "its manifest cannot be read: TypeError"),
    "a later version": (
        lambda plain: plain.update(version=2),
        "this is version 2 of 'crmhost bundle', and this crmhost reads version 1 of 'crmhost bundle'",
    ),
    "another document": (
        lambda plain: plain.update(kind="statement"),
        "this is version 1 of 'statement', and this crmhost reads version 1 of 'crmhost bundle'",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_manifest_that_none_of_ours_is_refused_however_well_it_is_signed(mistake: str) -> None:
    spoil, message = WRONG[mistake]
    plain = Manifest("acme", "creme 2.8.6", "a", "0.1.0", "now", "k", GROUND, (Piece("a", 1, "0" * 64),)).plain()
    spoil(plain)
    raw = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    with pytest.raises(BadBundle) as refused:
        decoded(raw)
    assert refused.value.what == message


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff", b"1" * 5000, b"[" * 5000])
def test_what_is_no_manifest_is_refused(raw: bytes) -> None:
    with pytest.raises(BadBundle, match="manifest cannot be read"):
        decoded(raw)


def test_a_manifest_spelt_otherwise_is_refused(bundle: bytes) -> None:
    raw = encoded(_manifest(bundle))
    assert decoded(raw) == _manifest(bundle)
    with pytest.raises(BadBundle, match="not in the one form"):
        decoded(raw.replace(b'":', b'": ', 1))


@given(st.binary(max_size=2000))
@example(b"manifest.json")
@settings(max_examples=200, deadline=None)
def test_no_other_file_is_a_bundle(raw: bytes) -> None:
    with pytest.raises(BadBundle):
        read(raw)


def _manifest(raw: bytes) -> Manifest:
    return read_head(io.BytesIO(raw), KEY.public, signature_holds)
