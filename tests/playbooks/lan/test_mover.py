"""A customer's PostgreSQL database and files out of a real server and back, without the rest of a deploy."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crm.bundle import SQLITE, Writer
from crm.errors import HostError
from crm.plan import Want
from playbooks import session
from playbooks.course import Patience
from playbooks.lan.firewall import Asked
from playbooks.lan.layout import Layout
from playbooks.lan.mover import LanMover
from playbooks.lan.server import Setup
from playbooks.lan.work import LanWork
from tests.support.lanhost import LanHost
from tests.support.wants import small_want

pytestmark = [pytest.mark.slow, pytest.mark.cloud]
LAYOUT = Layout("acme")
PREPARE = f"""
set -e
systemctl start postgresql@15-main
useradd --system --user-group --no-create-home {LAYOUT.user}
install -d -m 0755 /var/lib/crmhost /var/lib/crmhost/customers
install -d -o root -g {LAYOUT.user} -m 0750 {LAYOUT.root}
install -d -m 0700 {LAYOUT.log}
install -d -o {LAYOUT.user} -g {LAYOUT.user} -m 0700 {LAYOUT.data} {LAYOUT.data}/files {LAYOUT.data}/cache
cd /
runuser -u postgres -- psql -qc 'CREATE ROLE "{LAYOUT.user}" LOGIN'
runuser -u postgres -- psql -qc 'CREATE DATABASE "{LAYOUT.user}" OWNER "{LAYOUT.user}" TEMPLATE template0 ENCODING UTF8'
"""
TABLES = """
CREATE TABLE note (id integer PRIMARY KEY, text text NOT NULL);
CREATE TABLE "odd ""name" (x integer);
CREATE TABLE crmhost_steps (name text PRIMARY KEY, state text NOT NULL, release text NOT NULL, at timestamptz);
INSERT INTO note SELECT n, repeat('x', 100) FROM generate_series(1, 5000) AS n;
INSERT INTO crmhost_steps VALUES ('derive@r1', 'finished', 'r1', now()), ('seed', 'finished', 'r1', now());
"""


def sql(lan: LanHost, query: str) -> str:
    """Ask as the customer's user."""
    user = LAYOUT.user
    return lan.run(
        f"cd / && setpriv --reuid={user} --regid={user} --init-groups psql -XAtq -d {user} <<'SQL'\n{query}\nSQL"
    ).strip()


@contextmanager
def mover_on(lan: LanHost) -> Iterator[LanMover]:
    with lan.root() as host, session.lock(host, LAYOUT.contract, "look", "test@here") as held:
        work = LanWork(held, LAYOUT, Setup(Asked(22, (80,))), lambda _: None, Patience(), "salt")
        yield LanMover(work)


def state(lan: LanHost) -> tuple[str, str]:
    """Return the rows, and the files with their owners and modes."""
    rows = sql(lan, "SELECT count(*), sum(length(text)) FROM note; SELECT name FROM crmhost_steps ORDER BY name;")
    return rows, lan.run(
        f"cd {LAYOUT.data} && find . -printf '%p %U %m %s %l\\n' | grep -v '^. ' | grep -v ' 4096 ' | sort"
    )


def test_what_is_dumped_comes_back_and_what_fails_changes_nothing(lan: LanHost) -> None:
    lan.run(PREPARE)
    sql(lan, TABLES)
    user = LAYOUT.user
    lan.run(
        f"cd {LAYOUT.data}/files && echo dear >letter && ln -s /nowhere link"
        f" && chown -h {user}: letter link && chmod 640 letter"
    )
    want: Want = small_want("1.1")
    before = state(lan)
    with mover_on(lan) as mover:
        sink = io.BytesIO()
        contents = mover.dump(want, sink)
        assert contents.tables == {"public.note": 5000, 'public.odd "name': 0, "public.crmhost_steps": 2}
        assert (contents.files, contents.bytes, contents.keys) == (1, 5, ("secret-key",))
        assert contents.database.startswith("PostgreSQL 15.")
        sql(lan, "DELETE FROM note WHERE id > 10; CREATE TABLE later (x integer);")
        lan.run(f"rm {LAYOUT.data}/files/letter; touch {LAYOUT.data}/cache/late")
        changed = state(lan)
        whole = sink.getvalue()
        other = io.BytesIO()
        Writer(other).database(iter([SQLITE + bytes(500)]))
        for broken, what in (
            (whole[: len(whole) // 2], "cannot be read"),
            (whole.replace(b"PGDMP\x01", b"PGDMP\x63"), "the dump could not be restored: .*pg_restore"),
            (other.getvalue(), "holds SQLite, and the target keeps the data in PostgreSQL"),
        ):
            with pytest.raises(Exception, match=what):
                mover.load(want, io.BytesIO(broken))
            assert state(lan) == changed
        assert mover.load(want, io.BytesIO(whole)) == contents
    rows, files = state(lan)
    assert rows == before[0].replace("derive@r1\n", "")
    assert [line for line in files.splitlines() if "letter" in line or "link" in line] == [
        line for line in before[1].splitlines() if "letter" in line or "link" in line
    ]
    assert "late" not in files
    assert ".crmhost-incoming" not in files
    assert sql(lan, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner <> current_user") == "0"
    assert sql(lan, "SELECT count(*) FROM pg_database WHERE datname LIKE '%incoming'") == "0"
    assert sql(lan, "SELECT to_regclass('later') IS NULL") == "t"


def test_a_server_without_a_database_is_named(lan: LanHost) -> None:
    lan.run(PREPARE)
    lan.run(f"cd /; runuser -u postgres -- dropdb {LAYOUT.user}")
    with mover_on(lan) as mover, pytest.raises(HostError, match=r"could not be dumped: .*does not exist"):
        mover.dump(small_want("1.1"), io.BytesIO())
