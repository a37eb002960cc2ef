"""Runs on the host: the records of steps in the customer's SQLite database.

`read` prints a JSON object and never creates the file; `steps` maps names to [state, release, at], `schema` is
[recipe, version, schema] or null, `others` counts tables that are not ours, `error` says why a database could not be
read. A step that is run for each release is named `step@release`.
"""

import json
import os
import pathlib
import sqlite3
import sys

TABLES = """
create table if not exists crmhost_steps (
  name text primary key, state text not null, release text not null, at text not null) without rowid;
create table if not exists crmhost_schema (
  one integer primary key check (one = 1), recipe text not null, version text not null, schema text not null,
  at text not null);
"""
NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


def connect(db: str, mode: str) -> sqlite3.Connection:
    """Open the database in the SQLite mode `ro`, `rw` or `rwc`."""
    uri = pathlib.Path(db).absolute().as_uri() + "?mode=" + mode
    return sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None)


def read(db: str) -> dict[str, object]:
    """Return the records; a missing database or table has none."""
    answer: dict[str, object] = {"steps": {}, "schema": None, "others": 0, "error": None}
    if not pathlib.Path(db).exists():
        return answer
    try:
        connection = connect(db, "ro")
        try:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            answer["others"] = len(tables - {"crmhost_steps", "crmhost_schema"})
            if "crmhost_steps" in tables:
                rows = connection.execute("select name, state, release, at from crmhost_steps")
                answer["steps"] = {name: [state, release, at] for name, state, release, at in rows}
            if "crmhost_schema" in tables:
                answer["schema"] = connection.execute("select recipe, version, schema from crmhost_schema").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        answer["error"] = str(error)
    return answer


def mark(db: str, name: str, state: str, release: str, schema: "list[str]", *, reached: bool = False) -> None:
    """Write one record, in one transaction that has reached the disk. schema: [recipe, version, schema].

    The schema is remembered with the first record; a later version of the same schema takes its row over, and another
    schema does when it is `reached`: with the end of the last step of an upgrade.
    """
    connection = connect(db, "rwc")
    try:
        connection.execute("pragma synchronous = full")
        connection.executescript(TABLES)
        connection.execute("begin immediate")
        connection.execute(
            f"insert or replace into crmhost_steps values (?, ?, ?, {NOW})",  # noqa: S608 - NOW is our own text
            (name, state, release),
        )
        connection.execute(
            f"""insert into crmhost_schema values (1, ?, ?, ?, {NOW}) on conflict (one) do update
            set version = excluded.version, schema = excluded.schema, at = excluded.at
            where (crmhost_schema.schema = excluded.schema and crmhost_schema.version <> excluded.version) or ?""",  # noqa: S608 - NOW is our own text
            (*schema, reached),
        )
        connection.execute("commit")
    finally:
        connection.close()


def forget_release(db: str, release: str) -> None:
    """Forget what was derived for a release, before its folder goes."""
    if not pathlib.Path(db).exists():
        return
    connection = connect(db, "rw")
    try:
        connection.executescript(TABLES)
        connection.execute("delete from crmhost_steps where name like '%@' || ?", (release,))
    finally:
        connection.close()


def save_template(db: str, template: str) -> str:
    """Copy the initialised database whole to `template`, where it is missing; returns what was done.

    The caller has made sure that no step of the phase `admin` was ever begun: it holds no customer's secret yet.
    """
    target = pathlib.Path(template)
    if target.exists():
        return "same"
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        source, copy = connect(db, "ro"), connect(str(fresh), "rw")
        try:
            source.backup(copy)
            copy.execute("delete from crmhost_steps where name like '%@%'")
        finally:
            source.close()
            copy.close()
        descriptor = os.open(fresh, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(target)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            fresh.with_name(fresh.name + end).unlink(missing_ok=True)
    return "done"


def main() -> None:
    """Do what the arguments say: `read DB`, `forget DB RELEASE`, or `template DB PATH ADMIN-STEP…`."""
    verb, db, *rest = sys.argv[1:]
    if verb == "read":
        print(json.dumps(read(db)))  # noqa: T201 - the answer
    elif verb == "forget":
        forget_release(db, rest[0])
    elif verb == "template":
        found = read(db)["steps"]
        begun = [name for name in rest[1:] if isinstance(found, dict) and name in found]
        print("begun" if begun else save_template(db, rest[0]))  # noqa: T201 - the answer
    else:
        sys.exit(f"no such verb: {verb}")
