"""A backup comes back as it was, or is refused with its name; nothing is ever listed in part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from crm.backup import Contents, Lost, differences
from crm.errors import CrmhostError
from crmhost.backup.folder import Folder
from crmhost.backup.manifest import decode, encode
from crmhost.backup.shelf import LEFT_AFTER, Shelf
from crmhost.backup.store import Store
from tests.crmhost.backup.conftest import DAY, HELD, NEW, OLD, Clock, Keys, dumping, keys, loaded, shelf_of

PLAIN = b"the customer's notes " * 100_000


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
def test_it_comes_back_as_it_was(shelf: Shelf, size: int) -> None:
    content = os.urandom(size)
    snapshot = shelf.save(OLD, "asked", dumping(content))
    assert loaded(shelf, snapshot.id) == content
    assert shelf.list() == (snapshot,)
    assert (snapshot.contents, snapshot.release, snapshot.why, snapshot.proven) == (HELD, OLD, "asked", None)


@pytest.mark.slow
def test_a_backup_of_many_parts_comes_back_from_a_bucket(bucket: str, who: Keys, clock: Clock, s3: object) -> None:
    from crmhost.backup.bucket import PART, Bucket, Credentials

    assert isinstance(s3, Credentials)
    shelf = shelf_of(Bucket(f"{bucket}/acme", s3), who, clock)
    content = os.urandom(2 * PART + 5)
    assert loaded(shelf, shelf.save(OLD, "asked", dumping(content)).id) == content


def test_its_name_says_whose_and_when_and_of_which_release(shelf: Shelf) -> None:
    assert shelf.save(OLD, "asked", dumping(b"")).id == "acme-20261003T040000Z-aaaaaaaaaaaa"


def test_what_is_stored_is_sealed_and_private(tmp_path: Path, who: Keys, clock: Clock) -> None:
    shelf = shelf_of(Folder(tmp_path / "to" / "acme"), who, clock)
    shelf.save(OLD, "asked", dumping(PLAIN))
    files = sorted((tmp_path / "to" / "acme").iterdir())
    assert [one.suffix for one in files] == [".age", ".json"]
    for one in files:
        assert b"notes " not in one.read_bytes()
        assert one.stat().st_mode & 0o077 == 0
    assert (tmp_path / "to" / "acme").stat().st_mode & 0o077 == 0


def test_every_recipient_can_open_it_and_nobody_else(tmp_path: Path, store: Store, clock: Clock) -> None:
    linh = keys(tmp_path, "linh", "mai")
    backup = shelf_of(store, linh, clock).save(OLD, "asked", dumping(PLAIN)).id
    assert loaded(shelf_of(store, keys(tmp_path, "mai"), clock), backup) == PLAIN
    with pytest.raises(CrmhostError, match=rf"{backup}\.age: is sealed for other recipients than this identity"):
        loaded(shelf_of(store, keys(tmp_path, "mallory"), clock), backup)


def test_a_fleet_without_recipients_makes_none(store: Store, clock: Clock) -> None:
    shelf = Shelf("acme", store, (), {}, clock)
    with pytest.raises(CrmhostError, match="names no age recipient"):
        shelf.save(OLD, "asked", dumping(b"x"))
    assert list(store.entries()) == []


def test_a_dump_that_fails_leaves_nothing(shelf: Shelf) -> None:
    def dump(sink: BinaryIO) -> Contents:
        sink.write(PLAIN)
        raise CrmhostError("pg_dump: the server went away")

    with pytest.raises(CrmhostError, match="the server went away"):
        shelf.save(OLD, "asked", dump)
    assert list(shelf.store.entries()) == []
    assert shelf.store.sweep(2**62) == 0


def test_two_in_one_second_are_both_kept(shelf: Shelf) -> None:
    saved = [shelf.save(OLD, "asked", dumping(content)) for content in (b"first", b"second", b"third")]
    assert [loaded(shelf, one.id) for one in saved] == [b"first", b"second", b"third"]
    assert [one.id for one in shelf.list()] == [one.id for one in reversed(saved)]
    assert [one.taken - saved[0].taken for one in saved] == [0, 1_000_000, 2_000_000]


def change(store: Store, name: str, how: str) -> None:
    """Change one bit of a stored file."""
    with store.reading(name) as file:
        content = bytearray(file.read())
    at = {"first byte": 0, "header": 60, "middle": len(content) // 2, "last byte": len(content) - 1}[how]
    content[at] ^= 1
    with store.writing(name) as file:
        file.write(bytes(content))


@pytest.mark.parametrize("how", ["first byte", "header", "middle", "last byte"])
def test_one_bad_byte_is_found_before_anything_is_loaded(shelf: Shelf, how: str) -> None:
    backup = shelf.save(OLD, "asked", dumping(PLAIN)).id
    change(shelf.store, f"{backup}.age", how)
    asked = []

    def load(source: BinaryIO) -> Contents:
        asked.append(source)
        return HELD

    with pytest.raises(CrmhostError, match=rf"{backup}\.age: is (damaged|sealed for other recipients)"):
        shelf.load(backup, load)
    assert asked == []


def test_another_backup_under_its_name_is_refused(shelf: Shelf, clock: Clock) -> None:
    first = shelf.save(OLD, "asked", dumping(PLAIN))
    clock.now += DAY
    second = shelf.save(OLD, "asked", dumping(PLAIN[::-1]))
    with shelf.store.reading(f"{second.id}.age") as file:
        content = file.read()
    with shelf.store.writing(f"{first.id}.age") as file:
        file.write(content)
    with pytest.raises(CrmhostError, match=r"is damaged|has \d+ bytes, not the \d+ that were written"):
        loaded(shelf, first.id)


def test_a_cut_or_missing_file_is_no_backup_and_is_named(shelf: Shelf, clock: Clock) -> None:
    cut = shelf.save(OLD, "asked", dumping(PLAIN))
    clock.now += DAY
    missing = shelf.save(OLD, "asked", dumping(PLAIN))
    clock.now += DAY
    whole = shelf.save(OLD, "asked", dumping(PLAIN))
    with shelf.store.writing(f"{cut.id}.age") as file:
        file.write(b"short")
    shelf.store.remove(f"{missing.id}.age")
    survey = shelf.survey()
    assert survey.snapshots == (whole,)
    assert [trouble.rpartition("/")[2] for trouble in survey.troubles] == [
        f"{cut.id}.json: the sealed file has 5 bytes, not the {cut.size} that were written",
        f"{missing.id}.json: the sealed file of this manifest is missing",
    ]
    with pytest.raises(CrmhostError, match="has 5 bytes"):
        shelf.find(cut.id)


def test_an_unknown_id_names_the_newest(shelf: Shelf) -> None:
    newest = shelf.save(OLD, "asked", dumping(b""))
    with pytest.raises(CrmhostError, match="has no backup 'acme-yesterday'") as caught:
        shelf.find("acme-yesterday")
    assert newest.id in caught.value.remedy


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"{", "is no manifest of a backup"),
        (b"[]", "is no manifest of a backup"),
        (b'{"version": 2}', r"written by a newer crmhost \(form 2, this one knows 1\)"),
    ],
)
def test_a_manifest_that_cannot_be_read_hides_its_backup_alone(shelf: Shelf, written: bytes, said: str) -> None:
    shelf.save(OLD, "asked", dumping(b""))
    with shelf.store.writing("acme-20260101T000000Z-0.json") as file:
        file.write(written)
    assert len(shelf.list()) == 1
    with pytest.raises(CrmhostError, match=said):
        shelf.find("acme-20260101T000000Z-0")


def test_a_manifest_says_what_was_written(shelf: Shelf) -> None:
    snapshot = replace(shelf.save(OLD, "upgrade", dumping(b"x")), proven=7)
    assert decode(encode(snapshot), "here") == snapshot


def test_proven_is_noted_and_stays(shelf: Shelf, clock: Clock) -> None:
    backup = shelf.save(OLD, "asked", dumping(b"x"))
    clock.now += DAY
    shelf.mark_proven(backup.id)
    assert shelf.find(backup.id) == replace(backup, proven=clock.now)


def test_the_way_back_of_an_upgrade_is_the_backup_that_it_made(shelf: Shelf, clock: Clock) -> None:
    made = {}
    for release, why in ((OLD, "upgrade"), (OLD, "schedule"), (NEW, "upgrade")):
        clock.now += DAY
        made[release, why] = shelf.save(release, why, dumping(b"x"))  # type: ignore[arg-type]
    assert shelf.before_upgrade_from(OLD) == made[OLD, "upgrade"]
    assert shelf.before_upgrade_from(replace(OLD, config="c" * 64)) is None


def test_prune_removes_what_may_go_and_what_dead_writes_left(shelf: Shelf, clock: Clock) -> None:
    old = shelf.save(OLD, "asked", dumping(b"old"))
    clock.now += 40 * DAY
    new = shelf.save(OLD, "asked", dumping(b"new"))
    for left in ("acme-20260101T000000Z-aaaaaaaaaaaa.age", "acme-20261112T035900Z-aaaaaaaaaaaa.age"):
        with shelf.store.writing(left) as file:
            file.write(b"of a write that died")
    pruned = shelf.prune(30 * DAY)
    assert (pruned.snapshots, pruned.left) == ((old,), 1)
    assert [entry.name for entry in shelf.store.entries()] == [
        "acme-20261112T035900Z-aaaaaaaaaaaa.age",  # its manifest may be under way
        f"{new.id}.age",
        f"{new.id}.json",
    ]
    assert shelf.prune(30 * DAY).snapshots == ()


def test_what_a_dead_write_left_is_swept_once_it_is_old(tmp_path: Path) -> None:
    (tmp_path / ".acme.age.x1.partial").write_bytes(b"half")
    age = (tmp_path / ".acme.age.x1.partial").stat().st_mtime_ns // 1000
    assert Folder(tmp_path).sweep(age - 1) == 0
    assert Folder(tmp_path).sweep(age + LEFT_AFTER) == 1
    assert list(tmp_path.iterdir()) == []


def test_manifests_that_did_not_change_are_read_once(tmp_path: Path, who: Keys, clock: Clock) -> None:
    class Counting(Folder):
        reads: list[str] = []  # noqa: RUF012 -- of this test alone

        @contextmanager
        def reading(self, name: str) -> Iterator[BinaryIO]:
            self.reads.append(name)
            with super().reading(name) as file:
                yield file

    store = Counting(tmp_path / "to")
    shelf = shelf_of(store, who, clock)
    backup = shelf.save(OLD, "asked", dumping(b"x")).id
    shelf.list()
    shelf.list()
    assert store.reads == [f"{backup}.json"]
    shelf_of(store, who, clock).mark_proven(backup)
    assert shelf.find(backup).proven == clock.now


def test_differences_name_the_tables_and_files_that_are_not_as_they_were() -> None:
    found = Contents({"public.notes": 2, "public.new": 0}, 1, 5)
    assert [(one.what, one.expected, one.found) for one in differences(HELD, found)] == [
        ("public.new", None, 0),
        ("public.notes", 3, 2),
    ]
    assert differences(HELD, HELD) == ()


def test_what_a_restore_loses_is_said_as_a_span() -> None:
    span = Lost(1_791_000_000_000_000, 1_791_003_600_000_000)
    assert str(span) == "everything written from 2026-10-03 04:00:00 UTC to 2026-10-03 05:00:00 UTC is lost"
