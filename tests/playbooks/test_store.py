"""What copies a customer's data on a host, run here as the host runs it: a snapshot, a cut, a name that leads out."""

from __future__ import annotations

import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.onhost import files
from playbooks.onhost.frames import Cut, Refusal, Sink, Source, pieces
from playbooks.programs import Program, program


def store(*args: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = program("store", sys.executable, *args).text
    return subprocess.run(["sh", "-c", command], input=given, capture_output=True, check=False)


def parts(said: bytes, count: int) -> list[bytes]:
    stream = io.BytesIO(said)
    return [b"".join(pieces(stream.read)) for _ in range(count)]


def framed(*contents: bytes) -> bytes:
    stream = io.BytesIO()
    sink = Sink(stream)
    for content in contents:
        sink.write(content)
        sink.end()
    return stream.getvalue()


def database(path: Path, rows: int = 3) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute('create table "odd ""name" (x)')
        db.execute("create table crmhost_steps (name, state)")
        db.execute("insert into crmhost_steps values ('derive@r1', 'finished'), ('seed', 'finished')")
        db.executemany('insert into "odd ""name" values (?)', [(number,) for number in range(rows)])
    return path


def tree(folder: Path) -> None:
    """What a data folder may have: an empty file, a long name, links, a socket, a folder that nobody may write to."""
    (folder / "upload" / "locked").mkdir(parents=True)
    (folder / "upload" / "locked" / "note").write_bytes(b"in it")
    (folder / "upload" / "empty").touch()
    (folder / "upload" / ("é" * 120)).write_bytes(b"x" * 100_000)
    (folder / "upload" / "linked").symlink_to("/nowhere")
    (folder / "cache").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(folder)
        listener.bind("upload/socket")
    (folder / "upload" / "locked").chmod(0o500)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    tree(folder)
    database(folder / "db.sqlite3")
    return folder


def dumped(data: Path) -> tuple[dict[str, object], bytes, bytes]:
    done = store("dump", str(data / "db.sqlite3"), str(data.parent / "copy"), str(data), "upload", "none")
    told, db, tar = parts(done.stdout, 3)
    return json.loads(told), db, tar


def test_what_is_dumped_comes_back_and_takes_the_place_of_what_is_there(data: Path, tmp_path: Path) -> None:
    told, db, tar = dumped(data)
    assert told["tables"] == {'main.odd "name': 3, "main.crmhost_steps": 2}
    assert not (tmp_path / "copy").exists()
    with closing(sqlite3.connect(data / "db.sqlite3", isolation_level=None)) as later:
        later.execute('insert into "odd ""name" values (9)')
    (data / "upload" / "later").touch()
    found = json.loads(parts(store("load", str(tmp_path / "in"), given=framed(db, tar)).stdout, 1)[0])
    assert found == {**told, "files": 3, "bytes": 100_005}
    assert (tmp_path / "in" / "files" / "upload" / "locked").stat().st_mode & 0o777 == 0o500
    done = store("swap", str(tmp_path / "in"), str(data / "db.sqlite3"), str(data), "upload", "made")
    assert (done.returncode, done.stderr) == (0, b"")
    with closing(sqlite3.connect(data / "db.sqlite3")) as back:
        assert back.execute('select count(*) from "odd ""name"').fetchone() == (3,)
        assert back.execute("select name from crmhost_steps").fetchall() == [("seed",)]
        assert back.execute("pragma journal_mode").fetchone() == ("wal",)
    assert sorted(path.name for path in data.iterdir() if not path.name.startswith("db.")) == ["made", "upload"]
    assert not (data / "upload" / "later").exists()
    assert (data / "upload" / "linked").readlink() == Path("/nowhere")
    assert (data / "db.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_damaged_database_is_refused_and_not_copied(data: Path, tmp_path: Path) -> None:
    path = database(data / "big.sqlite3", 5000)
    raw = bytearray(path.read_bytes())
    raw[4096 * 2 : 4096 * 4] = b"\x55" * 8192
    path.write_bytes(raw)
    done = store("dump", str(path), str(tmp_path / "copy"), str(data))
    with pytest.raises(Refusal, match=r"the database is damaged|malformed"):
        parts(done.stdout, 1)


def test_wherever_the_stream_is_cut_it_is_refused(data: Path, tmp_path: Path) -> None:
    _, db, tar = dumped(data)
    whole = framed(db, tar)
    for number, length in enumerate((0, 3, 100, len(db) + 10, len(whole) - 4, len(whole) - 1)):
        done = store("load", str(tmp_path / f"in{number}"), given=whole[:length])
        with pytest.raises(Refusal, match="ended before it told its end"):
            parts(done.stdout, 1)


@pytest.mark.parametrize(
    ("name", "link"), [("../out", None), ("a/../../out", None), ("door/out", "/"), ("door/out", "..")]
)
def test_nothing_is_unpacked_outside(tmp_path: Path, name: str, link: str | None) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        if link is not None:
            door = tarfile.TarInfo("door")
            door.type, door.linkname = tarfile.SYMTYPE, link
            tar.addfile(door)
        tar.addfile(tarfile.TarInfo(name))
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(OSError, match=r"leads out of|is a link"):
        files.unpack(cast(BinaryIO, io.BytesIO(stream.getvalue())), str(inside))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside"]


def test_a_file_that_shrinks_meanwhile_is_filled_up_and_one_that_goes_is_left_out() -> None:
    assert files.Padded(io.BytesIO(b"abc")).read(5) == b"abc\0\0"


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 64))
def test_parts_come_back_as_they_were_told(contents: list[bytes], size: int) -> None:
    stream = io.BytesIO(framed(*contents))
    for content in contents:
        source = io.BufferedReader(Source(pieces(stream.read)), size)
        assert source.read() == content
    with pytest.raises(Cut):
        list(pieces(stream.read))


@pytest.mark.parametrize(("name", "more"), [("store", ()), ("mysqlstore", ("access.json",))])
def test_a_load_of_an_operation_that_is_over_makes_no_folder_for_it(
    name: Program, more: tuple[str, ...], tmp_path: Path
) -> None:
    """Its process may begin late, when whoever took the lock next has removed all that was the operation's."""
    gone = tmp_path / "staging" / "1a2b3c4d"
    command = program(name, sys.executable, "load", str(gone / "incoming"), *more).text
    done = subprocess.run(["sh", "-c", command], input=framed(b"", b""), capture_output=True, check=False)
    assert b"No such file or directory" in done.stdout
    assert not gone.parent.exists()
    gone.mkdir(parents=True)
    subprocess.run(["sh", "-c", command], input=b"", capture_output=True, check=False)
    assert (gone / "incoming" / "files").is_dir()


def test_what_is_no_part_is_told() -> None:
    with pytest.raises(Cut, match="a piece of 1836608876 bytes"):
        list(pieces(io.BytesIO(b"mxml version").read))
