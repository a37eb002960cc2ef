"""A small bundle, signed for real."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from crmhost.bundle.format import Manifest, encoded, in_order, piece_of, write
from crmhost.bundle.ground import Ground
from monitor.statement.signature import SigningKey

KEY = SigningKey(bytes(range(32)))
GROUND = Ground("debian 12", "amd64", "3.11.2")
FILES = {
    "install.pyz": b"print()\n",
    "debs/a_1%3a2~3_all.deb": b"\x00\xff" * 300,
    "fleet/crmhost.yaml": b"",
    "wheels/" + "long" * 30 + "-1-py3-none-any.whl": b"one wheel",
}


def signed(folder: Path, files: Mapping[str, bytes] = FILES, ground: Ground = GROUND) -> bytes:
    """Return a bundle of these files, written by way of `folder`."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    pieces = in_order(piece_of(path, folder / path) for path in files)
    manifest = Manifest("acme", "creme 2.8.6", "0" * 16, "0.1.0", "2026-03-01T00:00:00Z", "k", ground, pieces)
    raw, sink = encoded(manifest), io.BytesIO()
    write(sink, raw, KEY.sign(raw), ((piece, folder / piece.path) for piece in pieces))
    return sink.getvalue()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a bundle."""
    return signed(tmp_path_factory.mktemp("bundle"))
