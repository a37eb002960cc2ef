"""PostgreSQL databases: whose they are, and that nobody else may connect. What is in them is the recipe's steps' work.

The whole of a kind is one psql, which visits each database for what only that can tell: its schema `public`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places, postgres
from playbooks.kinds.postgres import State, checked, identifier, literal, sql
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

_LOCALE = re.compile(r"[A-Za-z0-9_.@-]+")
_ENCODING = "UTF8"


@dataclass(frozen=True, slots=True)
class PgDatabaseWanted:
    """A database in UTF-8 of the role `owner`, to which alone others may not connect.

    template: what a new one is a copy of, with the objects and their owners. locale: how it sorts and what letters are;
    of a new one made from template0 only, since a copy has its template's.
    """

    owner: str
    template: str = "template0"
    locale: str = "C.UTF-8"

    def __post_init__(self) -> None:
        """Refuse names that PostgreSQL cannot have; raises ValueError."""
        checked("role", self.owner)
        checked("pgdatabase", self.template)
        if not _LOCALE.fullmatch(self.locale):
            raise ValueError(f"{self.locale!r} is no name of a locale")


@dataclass(frozen=True, slots=True)
class PgDatabaseSeen:
    """What the server knows. public: what everybody may do with it (`connect`, `temporary`, `create` in its schema).

    closed: nobody may connect, so the schema is not known. schema: who owns the schema `public`. detail: why the
    server is down.
    """

    state: State
    owner: str = ""
    encoding: str = ""
    public: tuple[str, ...] = ()
    closed: bool = False
    schema: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PgDatabaseKind:
    """Keys are names of databases. Not wanted: it goes, with all data; one in use is left, and the act fails."""

    name: str = "pgdatabase"
    account: Account = "root"

    def ask(self, wants: Mapping[str, PgDatabaseWanted | None]) -> Sh:
        """Print a row KEY there ENCODING PUBLIC OPEN OWNER and KEY schema PUBLIC OWNER for each.

        Or one row KEY absent, KEY no-tool '' or KEY down DETAIL.
        """
        each = sh(
            """\
case $a in
  schema) row "$p" schema "$b" "$c" ;;
  *) p=$1; shift; if [ -n "$b" ]; then row "$p" there "$b" "$c" "$d" "$e"; else row "$p" absent; fi ;;
esac"""
        )
        return postgres.ask("\n".join(_query(key) for key in wants), tuple(wants), each)

    def read(self, rows: Sequence[Row]) -> Mapping[str, PgDatabaseSeen]:
        """Return what the server knows of each; raises HostError for a row of another shape."""
        found: dict[str, PgDatabaseSeen] = {}
        for row in rows:
            match row:
                case (key, "absent") if key not in found:
                    found[key] = PgDatabaseSeen("absent")
                case (key, "no-tool" | "down" as state, detail) if key not in found:
                    found[key] = PgDatabaseSeen(state, detail=detail)
                case (key, "there", encoding, public, "t" | "f" as opened, owner) if key not in found:
                    found[key] = PgDatabaseSeen("there", owner, encoding, _words(public), closed=opened == "f")
                case (key, "schema", public, owner) if key in found:
                    found[key] = replace(found[key], public=(*found[key].public, *_words(public)), schema=owner)
                case _:
                    raise places.malformed(self.name, row)
        return found

    def diff(self, key: str, want: PgDatabaseWanted | None, seen: PgDatabaseSeen | None) -> Change | None:
        """Return what would change; where the server is down, that is decided when it answers."""
        name, there = f"{self.name}:{checked(self.name, key)}", seen or PgDatabaseSeen("absent")
        if want is None:
            if there.state == "down":
                return Change(name, "delete", postgres.DOWN, (safe_line(there.detail),), disrupts="data")
            gone = there.state != "there"
            return None if gone else Change(name, "delete", "it is not wanted", disrupts="data")
        if there.state != "there":
            return Change(name, "create", *postgres.why(there.state, there.detail))
        if there.encoding != _ENCODING:
            why = "its encoding differs, which only a new database can have otherwise"
            return Change(name, "update", why, (f"encoding {safe_line(there.encoding)}, not {_ENCODING}",))
        owners = (
            [("owner", there.owner)] if there.closed else [("owner", there.owner), ("schema's owner", there.schema)]
        )
        lines = (
            *(f"{what} {safe_line(owner)} -> {want.owner}" for what, owner in owners if owner != want.owner),
            *(f"- everybody: {right}" for right in there.public),
            *(("+ connections are allowed",) if there.closed else ()),
        )
        return Change(name, "update", "who owns it or may use it differs", lines) if lines else None

    def act(self, key: str, want: PgDatabaseWanted | None, seen: PgDatabaseSeen | None) -> Act:
        """Make the database when it is not there, and let its owner alone use it."""
        database = identifier(checked(self.name, key))
        if want is None:
            gone = postgres.answers(_query(key), "database||||")
            return Act(postgres.tell(f"DROP DATABASE IF EXISTS {database};"), guard=gone)
        if seen is not None and seen.state == "there" and seen.encoding != _ENCODING:
            return Act(sh("echo {why}; exit 1", why=_OTHER_ENCODING))
        made = sql(
            _MADE,
            key=literal(key),
            create=literal(_create(database, want)),
            database=database,
            connect=postgres.connect(key),
            owner=identifier(want.owner),
            role=literal(want.owner),
            give=literal(f"ALTER SCHEMA public OWNER TO {identifier(want.owner)}"),
        )
        right = f"database|{_ENCODING}||t|{want.owner}\nschema||{want.owner}"
        return Act(postgres.tell(made), guard=postgres.answers(_query(key), right))


_OTHER_ENCODING = "its encoding is another one; dump it, drop it, and load the dump into the new one"

_MADE = """\
SELECT {create} WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {key}) \\gexec
ALTER DATABASE {database} OWNER TO {owner};
ALTER DATABASE {database} ALLOW_CONNECTIONS true;
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
{connect}
SELECT {give} FROM pg_namespace
  WHERE nspname = 'public' AND pg_get_userbyid(nspowner) NOT IN ('pg_database_owner', {role}) \\gexec
SELECT 'REVOKE CREATE ON SCHEMA public FROM PUBLIC' FROM pg_namespace WHERE nspname = 'public' \\gexec"""


def _create(database: str, want: PgDatabaseWanted) -> str:
    made = f"CREATE DATABASE {database} OWNER {identifier(want.owner)} TEMPLATE {identifier(want.template)}"
    if want.template != "template0":
        return made
    locale = literal(want.locale)
    return f"{made} ENCODING '{_ENCODING}' LC_COLLATE {locale} LC_CTYPE {locale}"


def _query(name: str) -> str:
    """Return what answers database|ENCODING|PUBLIC|OPEN|OWNER, and schema|PUBLIC|OWNER where one may connect.

    ENCODING is empty where there is no such database. A schema of `pg_database_owner` is the database's owner's, and a
    schema that is not there is in nobody else's hands.
    """
    return sql(
        """\
SELECT 'database', pg_encoding_to_char(d.encoding), concat_ws(',',
    CASE WHEN has_database_privilege('public', d.oid, 'CONNECT') THEN 'connect' END,
    CASE WHEN has_database_privilege('public', d.oid, 'TEMPORARY') THEN 'temporary' END),
    d.datallowconn, pg_get_userbyid(d.datdba)
  FROM (SELECT 1) AS one LEFT JOIN pg_database d ON d.datname = {datname};
SELECT count(*) > 0 AS opened FROM pg_database WHERE datname = {datname} AND datallowconn \\gset
\\if :opened
{there}
SELECT 'schema', CASE WHEN has_schema_privilege('public', n.oid, 'CREATE') THEN 'create' END,
    pg_get_userbyid(CASE WHEN pg_get_userbyid(n.nspowner) <> 'pg_database_owner' THEN n.nspowner ELSE d.datdba END)
  FROM pg_database d LEFT JOIN pg_namespace n ON n.nspname = 'public' WHERE d.datname = current_database();
{back}
\\endif""",
        datname=literal(checked("pgdatabase", name)),
        there=postgres.connect(name),
        back=postgres.connect("postgres"),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
