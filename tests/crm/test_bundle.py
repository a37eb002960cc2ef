"""A bundle comes back as it was, is refused where it was cut short, and any tar unpacks it."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm import bundle
from crm.backup import Contents
from crm.bundle import PART, POSTGRESQL, SQLITE, Reader, Writer
from crm.errors import CrmhostError, HostError
from infra.pipe import Chunks

TABLES = {"public.notes": 3, 'public."odd\\name"': 0}


def tree(folder: Path) -> bytes:
    """A tar of a folder with what a data volume may have: an empty file, a long name, links, a pipe."""
    (folder / "upload").mkdir()
    (folder / "upload" / "empty").touch()
    (folder / "upload" / ("é" * 120)).write_bytes(b"x" * 1000)
    (folder / "upload" / "linked").symlink_to("empty")
    os.link(folder / "upload" / "empty", folder / "upload" / "twin")
    os.mkfifo(folder / "upload" / "pipe")
    return subprocess.run(["tar", "-C", str(folder), "-cf", "-", "upload"], capture_output=True, check=True).stdout


def whole(dump: bytes, data: bytes) -> tuple[bytes, Contents]:
    sink = io.BytesIO()
    writer = Writer(sink)
    writer.key("secret-key", "só 7")
    writer.database(dump[start : start + 4096] for start in range(0, len(dump), 4096))
    writer.data(io.BytesIO(data))
    contents = writer.end("acme", TABLES, "PostgreSQL 15.6")
    return sink.getvalue(), contents


def names(tar: bytes) -> list[tuple[str, bytes, int, str]]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as read:
        return [(one.name, one.type, one.size, one.linkname) for one in read if not one.isfifo()]


@pytest.mark.parametrize("size", [0, 5, PART - 1, PART, PART + 1, 2 * PART + 5])
def test_it_comes_back_as_it_was(tmp_path: Path, size: int) -> None:
    dump, data = (POSTGRESQL + os.urandom(size))[:size], tree(tmp_path)
    stored, contents = whole(dump, data)
    reader = Reader(io.BytesIO(stored))
    assert reader.keys() == {"secret-key": "só 7"}
    assert b"".join(reader.database(POSTGRESQL)) == dump
    assert names(b"".join(reader.data())) == names(data)
    assert reader.end() == ("acme", contents)
    assert (contents.files, contents.bytes, contents.tables) == (3, 1000, TABLES)


def test_people_unpack_it_with_tar_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    stored, _ = whole(b"dump", tree(tmp_path / "in"))
    subprocess.run(["tar", "-C", str(tmp_path), "-xf", "-"], input=stored, check=True, timeout=60)
    assert (tmp_path / "database.dump" / "000000").read_bytes() == b"dump"
    assert (tmp_path / "data" / "upload" / ("é" * 120)).read_bytes() == b"x" * 1000
    assert (tmp_path / "data" / "upload" / "twin").samefile(tmp_path / "data" / "upload" / "empty")
    assert not (tmp_path / "data" / "upload" / "pipe").exists()


def test_a_dump_of_another_database_is_named() -> None:
    for dump, wanted, what in (
        (POSTGRESQL, SQLITE, "holds PostgreSQL, and the target keeps the data in SQLite"),
        (SQLITE, POSTGRESQL, "holds SQLite, and the target keeps the data in PostgreSQL"),
        (b"-- MySQL", SQLITE, "holds no database that crmhost knows"),
    ):
        reader = Reader(io.BytesIO(whole(dump, bytes(1024))[0]))
        reader.keys()
        with pytest.raises(HostError, match=what):
            list(reader.database(wanted))


def read_all(stored: bytes) -> None:
    reader = Reader(io.BytesIO(stored))
    reader.keys()
    for _ in reader.database(POSTGRESQL):
        pass
    for _ in reader.data():
        pass
    reader.end()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_wherever_it_is_cut_it_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    stored, _ = whole(POSTGRESQL + b"dump" * 500, tree(tmp_path_factory.mktemp("tree")))
    kept = len(stored) - 2 * tarfile.BLOCKSIZE - tarfile.BLOCKSIZE  # without the last block of contents.json
    with pytest.raises(CrmhostError, match="cannot be read"):
        read_all(stored[: data.draw(st.integers(0, kept))])


@pytest.mark.parametrize("name", ["data/../../etc/passwd", "data//etc/passwd"])
def test_a_name_that_leaves_the_volume_is_refused(name: str) -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w|") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(CrmhostError, match="no file of a data volume"):
        read_all(sink.getvalue())


def test_what_a_newer_crmhost_made_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "VERSION", 2)
    sink = io.BytesIO()
    Writer(sink).end("acme", {}, "")
    monkeypatch.undo()
    with pytest.raises(CrmhostError, match=r"newer crmhost \(form 2, this one knows 1\)"):
        read_all(sink.getvalue())


def test_a_tar_of_the_volume_that_is_cut_is_the_host_s_error(tmp_path: Path) -> None:
    data = tree(tmp_path)
    with pytest.raises(HostError, match="could not be read to their end"):
        Writer(io.BytesIO()).data(io.BytesIO(data[: data.index(b"xxx") + 50]))


@given(st.lists(st.binary(max_size=9)), st.integers(1, 7))
def test_chunks_are_read_in_any_sizes(pieces: list[bytes], size: int) -> None:
    def made() -> Iterator[bytes]:
        yield from pieces

    stream = cast(BinaryIO, io.BufferedReader(Chunks(made()), 16))
    found = b""
    while piece := stream.read(size):
        found += piece
    assert found == b"".join(pieces)
