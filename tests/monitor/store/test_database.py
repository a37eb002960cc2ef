from __future__ import annotations

import importlib
import pkgutil
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import monitor.store
from monitor.store.database import MIGRATIONS, StoreError, metadata, migrate, open_database, reading, writing


def test_revisions_make_exactly_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    for module in pkgutil.iter_modules(monitor.store.__path__, "monitor.store."):
        importlib.import_module(module.name)
    engine = open_database(tmp_path / "fleet.db")
    migrate(engine)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_revisions_have_one_line_of_descent() -> None:
    assert len(ScriptDirectory(str(MIGRATIONS)).get_heads()) == 1


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "fleet.db")
    migrate(engine)
    with reading(engine) as connection:
        before = connection.execute(text("SELECT sql FROM sqlite_master ORDER BY name")).all()
    migrate(engine)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT sql FROM sqlite_master ORDER BY name")).all() == before


def test_file_and_folder_are_private_and_so_are_the_files_beside_it(tmp_path: Path) -> None:
    path = tmp_path / ".crmhost" / "fleet.db"
    engine = open_database(path)
    migrate(engine)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["fleet.db", "fleet.db-shm", "fleet.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_connections_are_set_for_safety(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "fleet.db")

    def pragma(name: str, durable: str) -> object:
        with writing(engine, "full" if durable == "full" else "process") as connection:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    assert pragma("journal_mode", "full") == "wal"
    assert pragma("foreign_keys", "full") == 1
    assert pragma("synchronous", "process") == 1
    assert pragma("synchronous", "full") == 2


def test_an_exception_rolls_everything_back(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "fleet.db")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE numbers (n INTEGER)"))

    def insert_twice() -> None:
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO numbers VALUES (1)"))
            connection.execute(text("INSERT INTO no_such_table VALUES (1)"))

    with pytest.raises(OperationalError):
        insert_twice()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM numbers")).scalar() == 0


def test_a_reader_sees_one_state_while_another_writes(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "fleet.db")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE numbers (n INTEGER)"))
    with reading(engine) as reader:
        assert reader.execute(text("SELECT count(*) FROM numbers")).scalar() == 0
        with writing(engine) as writer:
            writer.execute(text("INSERT INTO numbers VALUES (1)"))
        assert reader.execute(text("SELECT count(*) FROM numbers")).scalar() == 0


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    path.touch()
    path.chmod(0o644)
    with pytest.raises(StoreError, match=r"others on this machine can read it \(mode 0644\)\nRun `chmod 600"):
        open_database(path)


def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    path.write_bytes(b"a letter, not a database\n" * 100)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="cannot be opened as a database"):
        open_database(path)
    assert path.read_bytes() == b"a letter, not a database\n" * 100


def test_a_folder_in_the_file_s_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a regular file"):
        open_database(tmp_path)


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "fleet.db")
    migrate(engine)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="If a newer crmhost wrote it, use that one"):
        migrate(engine)


def test_the_file_can_be_read_by_plain_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    engine = open_database(path)
    migrate(engine)
    with sqlite3.connect(path) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert {"spans", "heartbeats", "exclusions"} <= tables
