"""Roles and databases on a real PostgreSQL server: made, found right, spoilt by hand, made right again, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crm.errors import HostError
from playbooks.kind import Resource
from playbooks.kinds.cluster import ClusterKind, ClusterWanted
from playbooks.kinds.pgdatabase import PgDatabaseKind, PgDatabaseWanted
from playbooks.kinds.role import RoleKind, RoleWanted
from playbooks.lan.condition import ServerCondition, ServerKind, ServerWanted
from playbooks.session import Session
from tests.playbooks.kinds.conftest import converge, planned, seen
from tests.support.lanhost import LanHost
from tests.support.until import until

pytestmark = pytest.mark.slow

ODD = "-odd \"role\" 'q' \\ ; é|"
"""All that a name may hold."""


def role(name: str = "acme", connections: int = -1) -> Resource:
    return Resource(RoleKind(), name, RoleWanted(connections))


def database(name: str = "acme", owner: str = "acme", **more: str) -> Resource:
    return Resource(PgDatabaseKind(), name, PgDatabaseWanted(owner, **more), (f"role:{owner}",))


def psql(server: LanHost, sql: str, user: str = "postgres", name: str = "postgres") -> str:
    """Run SQL beside the engine, with the file as standard input so that nothing needs quoting."""
    return server.run(f"cd /; runuser -u {user} -- psql -XAt -v ON_ERROR_STOP=1 -d '{name}' <<'end' 2>&1\n{sql}\nend")


def cluster(connections: int, *, restart: bool = False) -> Resource:
    return Resource(ClusterKind(), "postgresql@15-main", ClusterWanted(connections, restart))


def test_connections_come_with_a_restart_that_nobody_notices_or_with_the_next_one(
    held: Session, server: LanHost
) -> None:
    assert psql(server, "SHOW max_connections") == "100\n"
    assert planned(held, cluster(120)) == ["update it has connections for few customers"]
    with somebody_connected(server):
        converge(held, cluster(120, restart=True))
        assert psql(server, "SHOW max_connections") == "100\n"
    converge(held, cluster(130))
    assert psql(server, "SHOW max_connections") == "100\n"
    converge(held, cluster(140, restart=True))
    assert psql(server, "SHOW max_connections") == "140\n"
    assert planned(held, cluster(90)) == []
    (condition,) = seen(held, (Resource(ServerKind(), "acme", ServerWanted(())),)).values()
    assert isinstance(condition, ServerCondition)
    assert condition.connections is not None
    assert condition.connections[1] == 140
    assert server.run("stat -c '%a %U' /etc/postgresql/15/main/conf.d/crmhost.conf") == "644 root\n"


@contextmanager
def somebody_connected(server: LanHost) -> Iterator[None]:
    """Keep a connection of a program that is none of ours."""
    server.run("cd /; nohup runuser -u postgres -- psql -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 </dev/null &")
    here = "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'"
    until(lambda: psql(server, here) == "1\n", "somebody is connected")
    yield
    psql(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'")


@pytest.mark.parametrize("name", ["acme", ODD])
def test_a_role_may_log_in_and_nothing_else(held: Session, server: LanHost, name: str) -> None:
    converge(held, role(name))
    quoted = '"' + name.replace('"', '""') + '"'
    psql(server, f"ALTER ROLE {quoted} NOLOGIN SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD 'x';")
    psql(server, f"GRANT pg_read_server_files TO {quoted}; ALTER ROLE {quoted} VALID UNTIL '2020-01-01';")
    assert planned(held, role(name)) == ["update its rights differ"]
    converge(held, role(name))
    assert planned(held, role(name, 5)) == ["update its limit of connections differs"]
    converge(held, role(name, 5))
    converge(held, Resource(RoleKind(), name, None))
    assert psql(server, "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'").split() == ["postgres"]


@pytest.mark.parametrize("name", ["acme", ODD])
def test_a_database_is_its_owner_s_alone(held: Session, server: LanHost, name: str) -> None:
    converge(held, role("acme"), database(name))
    converge(held, role("beta"), database("beta", "beta"), database(name))
    server.run("id acme >/dev/null 2>&1 || useradd --system acme; id beta >/dev/null 2>&1 || useradd --system beta")
    libpq = "dbname=''" + name.replace("\\", "\\\\").replace("'", "\\'") + "''" if name != "acme" else "acme"
    if name == "acme":
        assert psql(server, "CREATE TABLE t (x text); INSERT INTO t VALUES ('é') RETURNING lower('É')", "acme", libpq)
        with pytest.raises(AssertionError, match="permission denied for database"):
            psql(server, "SELECT 1", "beta", libpq)
    quoted = '"' + name.replace('"', '""') + '"'
    psql(server, f"GRANT CONNECT ON DATABASE {quoted} TO PUBLIC; ALTER DATABASE {quoted} OWNER TO beta;")
    assert planned(held, role(), database(name)) == ["update who owns it or may use it differs"]
    converge(held, role(), database(name))
    psql(server, f"ALTER DATABASE {quoted} ALLOW_CONNECTIONS false")
    assert planned(held, role(), database(name)) == ["update who owns it or may use it differs"]
    converge(held, role(), database(name))
    converge(held, *(Resource(PgDatabaseKind(), key, None) for key in (name, "beta")))
    converge(held, *(Resource(RoleKind(), key, None) for key in ("acme", "beta")))


def test_a_schema_that_everybody_may_write_to_is_closed(held: Session, server: LanHost) -> None:
    converge(held, role(), database())
    psql(server, "GRANT CREATE ON SCHEMA public TO PUBLIC; ALTER SCHEMA public OWNER TO postgres;", name="acme")
    converge(held, role(), database())
    psql(server, "DROP SCHEMA public", name="acme")
    assert planned(held, role(), database()) == []
    converge(held, Resource(PgDatabaseKind(), "acme", None))


def test_functions_of_a_customer_are_not_called(held: Session, server: LanHost) -> None:
    """The administrator's questions in a customer's database find the server's own functions only."""
    converge(held, role(), database())
    trap = "CREATE FUNCTION public.has_schema_privilege(name, oid, unknown) RETURNS boolean AS 'SELECT 1/0 > 0'"
    psql(server, f"{trap.replace('unknown', 'text')} LANGUAGE sql", name="acme")
    psql(server, "ALTER DATABASE acme SET search_path = public, pg_catalog")
    assert planned(held, role(), database()) == []
    converge(held, Resource(PgDatabaseKind(), "acme", None))


def test_a_copy_of_a_template(held: Session, server: LanHost) -> None:
    converge(held, role(), database("like"))
    psql(server, "CREATE TABLE ready (x int)", name="like")
    converge(held, role(), database("acme", template="like"))
    assert psql(server, "SELECT count(*) FROM ready", name="acme").strip() == "0"
    converge(held, *(Resource(PgDatabaseKind(), key, None) for key in ("acme", "like")))


def test_another_encoding_is_left_to_people(held: Session, server: LanHost) -> None:
    converge(held, role())
    psql(server, "CREATE DATABASE old OWNER acme TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(HostError, match=r"pgdatabase:old failed .* its encoding is another one; dump it"):
        converge(held, role(), database("old"))
    converge(held, Resource(PgDatabaseKind(), "old", None))


def test_what_is_in_use_is_not_removed(held: Session, server: LanHost) -> None:
    converge(held, role(), database())
    server.run("cd /; runuser -u postgres -- sh -c 'sleep 60 | psql -X -d acme >/dev/null' >/dev/null 2>&1 &")
    used = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'acme'"
    until(lambda: psql(server, used).strip() == "1", "somebody uses it")
    with pytest.raises(HostError, match=r"(?s)pgdatabase:acme failed .*is being accessed by other users"):
        converge(held, Resource(PgDatabaseKind(), "acme", None))
    with pytest.raises(HostError, match=r"(?s)role:acme failed .*owner of database acme"):
        converge(held, Resource(RoleKind(), "acme", None))
    psql(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'acme'")
    converge(held, Resource(PgDatabaseKind(), "acme", None))


def test_a_stopped_server_is_named_with_what_to_look_at(held: Session, server: LanHost) -> None:
    server.run("systemctl stop postgresql@15-main")
    try:
        assert planned(held, role(), database()) == ["create PostgreSQL does not answer"] * 2
        with pytest.raises(
            HostError, match=r"(?s)role:acme failed .*PostgreSQL does not answer; look at `systemctl status"
        ):
            converge(held, role(), database())
        assert planned(held, Resource(RoleKind(), "acme", None)) == ["delete PostgreSQL does not answer"]
    finally:
        server.run("systemctl start postgresql@15-main")


@pytest.mark.parametrize("name", ["", "x" * 64, "é" * 32, "a\nb", "a\x00b"])
def test_names_that_postgresql_cannot_have(name: str) -> None:
    with pytest.raises(ValueError, match=r"^role:.*: a name has 1 to 63 bytes and no control characters$"):
        RoleKind().diff(name, RoleWanted(), None)
    with pytest.raises(ValueError, match="no control characters"):
        PgDatabaseKind().act(name, PgDatabaseWanted("acme"), None)
    with pytest.raises(ValueError, match="no control characters"):
        PgDatabaseWanted(name)


def test_what_is_wanted_makes_sense() -> None:
    with pytest.raises(ValueError, match="is no name of a locale"):
        PgDatabaseWanted("acme", locale="C' OWNER postgres")
    with pytest.raises(ValueError, match="a number of connections"):
        RoleWanted(-2)
