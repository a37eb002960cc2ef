"""A customer's data comes back as it was, whatever was done to it; and what goes wrong changes nothing."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from crm.backup import Contents
from crm.bundle import Reader, read_keys
from crm.errors import CrmhostError, HostError
from crm.recipe import BackupSet
from infra import naming
from infra.dump import dump, load
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.postgresql import Customer, customer

pytestmark = pytest.mark.slow

WHAT = BackupSet(database=True, paths=("upload", "later"), keys=("secret-key",))
KEYS = {"secret-key": "só 7", "admin-password": "not in it"}
NOTES = 500


@pytest.fixture(scope="module")
def host(engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(engine.url)) as connected:
        yield connected


@pytest.fixture(scope="module")
def running(host: Engine, images: Images) -> Iterator[Customer]:
    with customer(host, f"t{uuid.uuid4().hex[:8]}", images.postgresql) as one:
        yield one


@pytest.fixture
def acme(running: Customer) -> Customer:
    """A customer with notes, an odd table, a large object, and files."""
    running.sql("RESET ROLE; DROP SCHEMA IF EXISTS public, other CASCADE; CREATE SCHEMA public AUTHORIZATION crm;")
    running.sql(
        "CREATE TABLE notes (id serial PRIMARY KEY, body text NOT NULL);",
        "INSERT INTO notes (body) SELECT repeat(md5(n::text), 20) FROM generate_series(1, 500) AS n;",
        'CREATE SCHEMA other; CREATE TABLE other."odd\\ ""name""" (x int);',
        "CREATE TABLE crmhost_steps (name text, state text); INSERT INTO crmhost_steps VALUES ('migrate', 'finished');",
        "CREATE TABLE parts (x int) PARTITION BY RANGE (x); CREATE TABLE part PARTITION OF parts DEFAULT;",
        "INSERT INTO parts VALUES (1), (2);",
    )
    running.shell("find", "/data", "-mindepth", "1", "-delete")
    running.shell("mkdir", "/data/upload", "/data/cache")
    running.shell("tee", "/data/upload/a b.txt", "/data/cache/left out", stdin=b"hello")
    running.shell("chmod", "0640", "/data/upload/a b.txt")
    running.shell("ln", "-s", "/etc/passwd", "/data/upload/link")
    return running


TABLES = {
    "public.notes": NOTES,
    'other.odd\\ "name"': 0,
    "public.crmhost_steps": 1,
    "public.part": 2,
}


def dumped(acme: Customer) -> tuple[bytes, Contents]:
    sink = io.BytesIO()
    contents = dump(acme.engine, acme.contract, WHAT, KEYS, sink)
    return sink.getvalue(), contents


def restored(acme: Customer, stored: bytes) -> Contents:
    return load(acme.engine, acme.contract, WHAT, io.BytesIO(stored), ("upload", "inbox"))


def state(acme: Customer) -> tuple[str, str]:
    """What a customer would notice: the notes' digest and the next id, and the files."""
    notes = acme.sql("SELECT count(*), md5(string_agg(id || body, ',' ORDER BY id)), max(id) FROM notes;")
    return notes, acme.files()


def test_it_comes_back_as_it_was_whatever_was_done_meanwhile(acme: Customer) -> None:
    before = acme.sql("SELECT md5(string_agg(id || body, ',' ORDER BY id)) FROM notes;")
    stored, contents = dumped(acme)
    assert contents.tables == TABLES
    assert (contents.files, contents.bytes, contents.keys) == (1, 5, ("secret-key",))
    assert contents.database.startswith("PostgreSQL 15")
    assert read_keys(io.BytesIO(stored)) == {"secret-key": "só 7"}

    acme.sql("DELETE FROM notes WHERE id % 2 = 0; DROP TABLE crmhost_steps; CREATE TABLE since (x int);")
    acme.shell("rm", "-rf", "/data/upload")
    acme.shell("mkdir", "/data/.hidden")
    assert restored(acme, stored) == contents

    assert acme.sql("SELECT md5(string_agg(id || body, ',' ORDER BY id)) FROM notes;") == before
    assert acme.sql("SELECT name, state FROM crmhost_steps;") == "migrate|finished"
    assert acme.sql("INSERT INTO notes (body) VALUES ('new') RETURNING id;") == str(NOTES + 1)
    assert acme.sql("SELECT to_regclass('since') IS NULL;") == "t"
    assert acme.files().splitlines() == [
        "inbox d 755 10001 4096",
        "upload d 755 10001 4096",
        "upload/a b.txt f 640 10001 5",
        "upload/link l 777 10001 11",
    ]


def test_everything_in_the_database_belongs_to_the_crm_s_role_afterwards(acme: Customer) -> None:
    stored, _ = dumped(acme)
    restored(acme, stored)
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema');"
    assert acme.sql(owners) == "crm"
    assert acme.sql("SELECT datdba::regrole FROM pg_database WHERE datname = 'crm';") == "crm"
    acme.sql("ALTER TABLE notes ADD COLUMN more int;")


def places(stored: bytes) -> dict[str, int]:
    """Where in a bundle each of its parts can be cut."""
    return {
        "keys": 700,
        "database": stored.index(b"PGDMP") + 3000,
        "files": stored.index(b"data/upload/a b.txt") + 520,
        "contents": stored.index(b'{"version"') + 5,
    }


@pytest.mark.parametrize("part", ["keys", "database", "files", "contents"])
def test_a_backup_that_is_cut_changes_nothing(acme: Customer, part: str) -> None:
    stored, _ = dumped(acme)
    acme.sql("DELETE FROM notes WHERE id < 10;")
    before = state(acme)
    with pytest.raises(CrmhostError, match=r"cannot be read|could not be restored"):
        restored(acme, stored[: places(stored)[part]])
    assert state(acme) == before
    assert restored(acme, stored).tables == TABLES


def test_a_dump_that_is_none_changes_nothing(acme: Customer) -> None:
    stored, _ = dumped(acme)
    acme.sql("DELETE FROM notes WHERE id < 10;")
    before = state(acme)
    with pytest.raises(HostError, match=f"{acme.contract}: the dump could not be restored: pg_restore"):
        restored(acme, stored.replace(b"PGDMP\x01", b"PGDMP\x63"))  # of a major version that there is not
    with pytest.raises(HostError, match=r"holds no database that crmhost knows, and the target .* in PostgreSQL"):
        restored(acme, stored.replace(b"PGDMP", b"PGDXX"))
    assert state(acme) == before


def test_counts_that_differ_from_the_dumped_ones_change_nothing(acme: Customer) -> None:
    stored, _ = dumped(acme)
    acme.sql("DELETE FROM notes WHERE id < 10;")
    before = state(acme)
    lying = stored.replace(b'"public.notes": 500', b'"public.notes": 501')
    with pytest.raises(HostError, match=r"public\.notes has 500, not 501; nothing was changed"):
        restored(acme, lying)
    assert state(acme) == before


def test_a_restore_killed_between_its_last_acts_is_made_whole_by_the_next(acme: Customer) -> None:
    stored, contents = dumped(acme)
    acme.sql("RESET ROLE; CREATE DATABASE crm_incoming;", database="postgres")
    acme.sql("RESET ROLE; DROP DATABASE crm;", database="postgres")
    acme.shell("mkdir", "/data/.crmhost-incoming", "/data/.crmhost-outgoing")
    acme.shell("mv", "/data/upload", "/data/.crmhost-outgoing/upload")
    assert restored(acme, stored) == contents
    assert acme.sql("SELECT count(*) FROM notes;") == str(NOTES)
    assert [line.split()[0] for line in acme.files().splitlines()] == ["inbox", "upload", "upload/a", "upload/link"]


def test_whoever_is_connected_is_cut_off_not_waited_for(acme: Customer) -> None:
    stored, _ = dumped(acme)
    hanging = acme.engine.client.exec_create(
        naming.database(acme.contract),
        ["psql", "-U", "postgres", "-d", "crm", "-c", "SELECT pg_sleep(600)"],
        user="postgres",
    )
    acme.engine.client.exec_start(hanging["Id"], detach=True)
    restored(acme, stored)


def test_a_database_that_is_gone_is_named_and_nothing_is_written(acme: Customer) -> None:
    acme.sql("RESET ROLE; ALTER DATABASE crm RENAME TO elsewhere;", database="postgres")
    try:
        sink = io.BytesIO()
        with pytest.raises(HostError, match=r'could not be dumped: .*database "crm" does not exist') as caught:
            dump(acme.engine, acme.contract, WHAT, KEYS, sink)
        assert "crmhost status" in caught.value.remedy
    finally:
        acme.sql("RESET ROLE; ALTER DATABASE elsewhere RENAME TO crm;", database="postgres")


def test_a_dump_that_fails_half_way_is_not_taken_for_a_whole_one(acme: Customer) -> None:
    language = "RESET ROLE; UPDATE pg_proc SET prolang = {} WHERE proname = 'broken';"
    acme.sql("CREATE FUNCTION broken() RETURNS int LANGUAGE sql AS 'SELECT 1';")
    acme.sql(language.format("4242"))
    try:
        with pytest.raises(HostError, match="could not be dumped: pg_dump: error"):
            dumped(acme)
    finally:
        acme.sql(language.format("(SELECT oid FROM pg_language WHERE lanname = 'sql')"))


def test_a_sink_that_breaks_ends_the_dump_with_its_own_error(acme: Customer) -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:  # noqa: ARG002 -- a stream like any other
            raise OSError(28, "No space left on device")

    full: BinaryIO = io.BufferedWriter(Full(), 1)
    with pytest.raises(OSError, match="No space left"):
        dump(acme.engine, acme.contract, WHAT, KEYS, full)
    full.detach()  # type: ignore[attr-defined]
    assert dumped(acme)[1].tables == TABLES


def test_writes_go_on_while_it_is_dumped_and_the_counts_are_of_the_dump(acme: Customer) -> None:
    """Rows are counted in the dump's own snapshot, so they agree however many were added in between."""

    class Writing(io.BytesIO):
        def write(self, data: object) -> int:
            if b"PGDMP" in bytes(data)[:4000]:  # type: ignore[call-overload]
                acme.sql("INSERT INTO notes (body) VALUES ('meanwhile');")
            return super().write(data)  # type: ignore[arg-type]

    sink = Writing()
    contents = dump(acme.engine, acme.contract, WHAT, KEYS, sink)
    assert contents.tables["public.notes"] == NOTES
    assert restored(acme, sink.getvalue()) == contents


def test_nothing_is_left_on_the_host(acme: Customer) -> None:
    stored, _ = dumped(acme)
    restored(acme, stored)
    assert set(acme.engine.seen(acme.contract).containers) == {naming.database(acme.contract)}
    assert acme.sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'crm%';") == "1"


def test_no_secret_but_those_that_a_restore_needs_is_in_it(acme: Customer) -> None:
    stored, _ = dumped(acme)
    assert b"not in it" not in stored
    assert Reader(io.BytesIO(stored)).keys() == {"secret-key": KEYS["secret-key"]}
