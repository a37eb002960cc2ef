"""Runs on the host: a customer's MySQL or MariaDB, asked and told through the host's PHP, which always can.

A database is an object here, not the path of a file: `kind` (`mysql`), and either `access`, a file that holds the rest,
or the rest: `host`, `port`, `name`, `user`, `password`, and `php`, names of PHP for programs, the first that works is
taken. The password goes over standard input alone.

`trial` is there where it is the database for trials, and names the copy that may be brought up in it. Such a database
is emptied, so it must say itself that this copy is in it: by the comment of a table that is made while it is empty, and
goes last. It is one statement, so it is there or it is not.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
from typing import Any

_LONGEST = 90.0  # seconds
LONG = 3600.0  # seconds for what grows with the data
_RUN = """
$in = json_decode(stream_get_contents(STDIN), true);
try {
    $db = new PDO(
        "mysql:host={$in['host']};port={$in['port']};dbname={$in['name']};charset=utf8mb4",
        $in['user'],
        $in['password'],
        [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 10]
    );
    $out = [];
    foreach ($in['statements'] as [$sql, $values]) {
        $done = $db->prepare($sql);
        $done->execute($values);
        $out[] = $done->columnCount() ? $done->fetchAll(PDO::FETCH_NUM) : [];
        $done->closeCursor();
    }
    echo json_encode(['rows' => $out], JSON_INVALID_UTF8_SUBSTITUTE);
} catch (PDOException $error) {
    echo json_encode(['error' => $error->getMessage()], JSON_INVALID_UTF8_SUBSTITUTE);
}
"""
TABLES = (
    """create table if not exists crmhost_steps (
  name varchar(190) not null primary key, state varchar(20) not null, `release` varchar(120) not null,
  at varchar(40) not null) engine=InnoDB""",
    """create table if not exists crmhost_schema (
  one int not null primary key, recipe varchar(60) not null, version varchar(60) not null,
  `schema` varchar(60) not null, at varchar(40) not null) engine=InnoDB""",
)

TRIAL = "crmhost_trial"
"""The table in the comment of which stands whose copy is in a database for trials, and of which run of crmhost."""
_WORD = re.compile(r"[a-z0-9_-]+")


class Failed(Exception):
    """The database could not be asked; the message is what PHP or the server says."""


def opened(db: "dict[str, Any]") -> "dict[str, Any]":
    """Return how the database is reached, read from its file where it is named by one; raises Failed."""
    if "access" not in db:
        return db
    try:
        given: dict[str, Any] = json.loads(pathlib.Path(db["access"]).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Failed(str(error)) from error
    return given


def run(
    db: "dict[str, Any]", statements: "list[tuple[str, list[Any]]]", longest: float = _LONGEST
) -> "list[list[list[Any]]]":
    """Run the statements one after another on one connection and return the rows of each; raises Failed."""
    db = opened(db)
    given = json.dumps({**db, "statements": statements}).encode()
    tried = "no PHP for programs"
    for php in db["php"]:
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            done = subprocess.run(  # noqa: S603 - the host's PHP, never a shell
                [php, "-d", "display_errors=stderr", "-r", _RUN],
                input=given,
                capture_output=True,
                timeout=longest,
                check=False,
            )
            tried = f"{php}: {done.stderr.decode(errors='replace').strip()[-500:]}"
            answer = json.loads(done.stdout)
            if "error" in answer:
                raise Failed(answer["error"])
            rows: list[list[list[Any]]] = answer["rows"]
            return rows
    raise Failed(tried)


def value(db: "dict[str, Any]", query: str) -> str:
    """Return the query's one value as text; a missing database or table is an answer too."""
    try:
        rows = run(db, [(query, [])])[0]
    except Failed as error:
        return f"no answer: {error}"
    return "" if not rows or rows[0][0] is None else str(rows[0][0])


def read(db: "dict[str, Any]") -> "dict[str, object]":
    """Return the records, in the form of `playbooks.onhost.records`."""
    answer: dict[str, object] = {"steps": {}, "schema": None, "others": 0, "trial": None, "error": None}
    try:
        tables = comments(db)
        answer["others"] = len(set(tables) - {"crmhost_steps", "crmhost_schema", TRIAL})
        answer["trial"] = taken(tables)
        if "crmhost_steps" in tables:
            (rows,) = run(db, [("select name, state, `release`, at from crmhost_steps", [])])
            answer["steps"] = {name: [state, release, at] for name, state, release, at in rows}
        if "crmhost_schema" in tables:
            (rows,) = run(db, [("select recipe, version, `schema` from crmhost_schema", [])])
            answer["schema"] = rows[0] if rows else None
    except Failed as error:
        answer["error"] = str(error)
    return answer


def comments(db: "dict[str, Any]") -> "dict[str, str]":
    """Return the database's tables and views, each with its comment."""
    names = "select table_name, table_comment from information_schema.tables where table_schema = database()"
    (found,) = run(db, [(names, [])])
    return {str(name): str(comment) for name, comment in found}


def taken(tables: "dict[str, str]") -> "list[str] | None":
    """Return whose copy is in a database for trials, and of which run; None where it is no such one, or empty."""
    if TRIAL not in tables:
        return None
    contract, _, told = tables[TRIAL].partition(" ")
    return [contract, told]


def mark(spec: "dict[str, Any]", state: str, *, reached: bool = False) -> None:
    """Write a step's record, and with it which schema the database has; ends this program when that cannot be."""
    recipe, version, schema = spec["schema"]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    take_over = "update crmhost_schema set version = ?, `schema` = ?, at = ? where ? or (`schema` = ? and version <> ?)"
    statements: list[tuple[str, list[Any]]] = [(table, []) for table in TABLES]
    statements += [
        ("start transaction", []),
        ("replace into crmhost_steps values (?, ?, ?, ?)", [spec["name"], state, spec["release"], now]),
        ("insert ignore into crmhost_schema values (1, ?, ?, ?, ?)", [recipe, version, schema, now]),
        (take_over, [version, schema, now, int(reached), schema, version]),
        ("commit", []),
    ]
    try:
        run(spec["db"], statements)
    except Failed as error:
        sys.exit(f"the record of {spec['name']} could not be written: {error}")


def forget(db: "dict[str, Any]", release: str) -> None:
    """Forget what was derived for a release, before its folder goes."""
    steps = read(db)["steps"]
    if steps:
        run(db, [("delete from crmhost_steps where name like concat('%@', ?)", [release])])


def empty(db: "dict[str, Any]", but: "tuple[str, ...]" = ()) -> None:
    """Drop every table, view and routine: the host's own database stays, with nothing in it but the tables `but`.

    Raises Failed for one for trials, unless it says that the copy is in it for which it is emptied, and for a copy
    where it says nothing; it goes on to say so.
    """
    said, copy = taken(comments(db)), opened(db).get("trial")
    if (said and said[0]) != copy:
        raise Failed(f"{'the copy ' + said[0] if said else 'no copy'} is in it by what it says, so it is not emptied")
    but = (*but, TRIAL)
    names = "select table_name, table_type from information_schema.tables where table_schema = database()"
    routines = "select routine_name, routine_type from information_schema.routines where routine_schema = database()"
    tables, programs = run(db, [(names, []), (routines, [])])
    drops: list[tuple[str, list[Any]]] = [("set foreign_key_checks = 0", [])]
    views = [one for one in tables if "VIEW" in str(one[1])]  # MySQL may refuse to drop one that another account made
    for name, kind in [*views, *programs, *(one for one in tables if one not in views)]:  # before a row is lost
        word = str(kind).lower() if kind in ("PROCEDURE", "FUNCTION") else "view" if "VIEW" in str(kind) else "table"
        quoted = str(name).replace("`", "``")
        if name not in but:
            drops.append((f"drop {word} if exists `{quoted}`", []))
    run(db, drops, LONG)


def has_copy(db: "dict[str, Any]") -> bool:
    """Tell whether the database says that the copy is in it which may be brought up there."""
    said = taken(comments(db))
    return said is not None and said[0] == opened(db)["trial"]


def take(db: "dict[str, Any]", told: str) -> None:
    """Empty a database for trials of what an earlier run of the same copy left, and let it say that this run is in it.

    Raises Failed, before anything is changed, where something is in it that no such run left.
    """
    copy, tables = opened(db)["trial"], comments(db)
    if not _WORD.fullmatch(copy) or not _WORD.fullmatch(told):
        raise Failed("a copy's name and its run are small letters, digits, hyphens and underscores")
    said = f"comment = '{copy} {told}'"
    if TRIAL in tables:
        empty(db)
        run(db, [(f"alter table {TRIAL} {said}", [])])
        return
    routines = "select count(*) from information_schema.routines where routine_schema = database()"
    (found,) = run(db, [(routines, [])])
    if tables or int(found[0][0]):
        raise Failed("it holds what no copy left there, and a database for trials is emptied; nothing was changed")
    run(db, [(f"create table {TRIAL} (one int) engine = InnoDB {said}", [])])


def leave(db: "dict[str, Any]") -> None:
    """Empty a database for trials of the copy in it, the last table being the one that says so; another stays."""
    if has_copy(db):
        empty(db)
        run(db, [(f"drop table {TRIAL}", [])])


def rest(db: "dict[str, Any]", patient: int) -> None:
    """Wait until nobody else is connected to the database, and end whoever still is after so many seconds.

    That is a request which the web server had let in. Raises Failed for one that does not end.
    """
    name = opened(db)["name"]
    for waited in range(2 * (patient + 10)):
        (mine,), others = run(db, [("select connection_id()", []), ("show processlist", [])])
        there = [int(row[0]) for row in others if row[3] == name and row[0] != mine[0]]
        if not there:
            return
        for one in there if waited >= 2 * patient else ():
            with contextlib.suppress(Failed):  # it has ended meanwhile
                run(db, [(f"kill {one}", [])])
        time.sleep(0.5)
    raise Failed("somebody is still connected to it, and does not end")


def main() -> None:
    """Do what the arguments say: a verb, the file of access, or `-` for standard input, and what the verb needs."""
    verb, access, *rest_of = sys.argv[1:]
    db = json.load(sys.stdin) if access == "-" else {"access": access}
    try:
        if verb == "read":
            print(json.dumps(read(db)))  # noqa: T201 - the answer
        elif verb == "forget" and (access == "-" or os.path.exists(access)):  # noqa: PTH110 - a word of the command line
            forget(db, rest_of[0])
        elif verb == "empty":
            empty(db)
        elif verb == "take":
            take(db, rest_of[0])
        elif verb == "leave":
            leave(db)
        elif verb == "rest":
            rest(db, int(rest_of[0]))
    except Failed as error:
        sys.exit(f"the database {db.get('name', access)}: {error}")
