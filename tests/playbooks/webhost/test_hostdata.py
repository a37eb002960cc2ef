"""WordPress on a real shared host, its data in the one MariaDB database that the host gave: out of it and back."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crm.backup import Lost
from crm.bundle import POSTGRESQL, Writer
from crm.errors import GateFailed, HostError, Refused
from crm.recipe import Archive, Recipe
from crmhost.fetch import Shelf
from playbooks.onhost.mysqltext import MAGIC, WHOLE
from tests.support.givendata import ADMIN_PASSWORD, Given, given, restoring
from tests.support.hosted import EMPTY, Visitor
from tests.support.sharedhost import DATABASE, DATABASE_PASSWORD, SharedHost, give_database
from tests.support.until import until
from tests.support.wordpress.growing import BROKEN, NEXT, growing

pytestmark = pytest.mark.slow
MORE = """
create table odd (id int primary key, plain text, raw blob, twice int as (id * 2)) character set utf8mb4;
insert into odd (id, plain, raw) values
  (1, 'it''s (a) \\\\ "row";\\n-- Dumping data for table `x`\\nINSERT INTO `x` VALUES (1);', x'00ff0a2728'),
  (2, 'Nguyễn 😀', null);
create table child (id int primary key, parent int, foreign key (parent) references odd (id)) character set latin1;
insert into child values (7, 1);
create definer = customer_crm@localhost view grand as select count(*) as many from odd;
create definer = customer_crm@localhost procedure twice(n int) select n * 2;
create definer = customer_crm@localhost trigger beside before insert on child for each row set new.parent = 2;
"""
"""What a plug-in may leave in the database beside WordPress' own tables."""
PROGRAMS = f"show procedure status where db = '{DATABASE}'; show function status where db = '{DATABASE}'"


@pytest.fixture(scope="module")
def site(
    sharedhost: SharedHost, wordpress: Recipe, wordpress_shelf: Shelf, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Given]:
    give_database(sharedhost)
    archive = wordpress_shelf(pinned(wordpress))
    one = given(sharedhost, growing(wordpress), archive, tmp_path_factory.mktemp("backups"))
    one.deploy()
    for statement in filter(str.strip, MORE.split(";\n")):
        sql(one, statement)
    yield one
    assert (one.remove().backup, one.shelf.list()[0].why) == (one.shelf.list()[0].id, "destroy")
    assert one.left() == EMPTY
    assert sharedhost.sql(f"show tables in {DATABASE}; {PROGRAMS}") == ""


def pinned(recipe: Recipe) -> Archive:
    (artifact,) = recipe.artifacts.values()
    assert isinstance(artifact, Archive)
    return artifact


def sql(site: Given, query: str) -> str:
    """Ask the customer's database, with a semicolon in texts or not."""
    return site.host.sql(f"set names utf8mb4; use {DATABASE}; {query}")


def odd(site: Given) -> str:
    return sql(site, "select id, hex(plain), hex(raw), twice from odd order by id")


def rows(site: Given) -> dict[str, int]:
    """Count every table but the one in which WordPress' jobs leave rows of their own."""
    shown = sql(site, "show full tables where table_type = 'BASE TABLE'").splitlines()
    names = {line.split("\t")[0] for line in shown} - {"wp_options"}
    return {name: int(sql(site, f"select count(*) from {name}")) for name in names}  # noqa: S608 - its own tables


def titles(site: Given) -> list[str]:
    return sql(site, "select post_title from wp_posts order by id").splitlines()


def upload(site: Given) -> str:
    return f"{site.layout.data}/uploads/letter.txt"


def test_a_backup_holds_it_all_and_comes_back(site: Given) -> None:
    site.host.run(f"echo dear >{upload(site)}")
    before, posts = odd(site), titles(site)
    stop = "/tmp/stop-watching"  # noqa: S108 - of the container
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; sleep 0.02"
    watch = f"while [ ! -e {stop} ]; do {look}; done 2>/dev/null >/tmp/seen"
    site.host.container.exec_run(["sh", "-c", watch], user="root", detach=True)
    snapshot = site.back_up()
    held = snapshot.contents
    assert held.database.startswith("MariaDB 10.")
    assert (held.tables["odd"], held.tables["child"], held.files, held.keys) == (2, 1, 1, ("secret-key",))
    assert {name: count for name, count in held.tables.items() if name != "wp_options"} == rows(site)
    assert held.tables["wp_options"] > 100

    sql(site, "update odd set plain = 'spoilt', raw = null; delete from wp_posts; drop view grand")
    sql(site, "create table newer (id int primary key)")
    sql(site, "create definer = customer_crm@localhost function newest() returns int return 1")
    site.host.run(f"rm {upload(site)}")
    outcome = site.restore(snapshot, keep=True)
    site.host.run(f"touch {stop}", user="root")
    assert (outcome.did, outcome.backup) == ("restored", snapshot.id)
    assert (odd(site), titles(site)) == (before, posts)
    assert sql(site, "select many from grand; call twice(4)").split() == ["2", "8"]
    assert "newer" not in sql(site, "show tables").split()
    assert [line.split("\t")[1] for line in sql(site, PROGRAMS).splitlines()] == ["twice"]
    sql(site, "insert into child values (8, 1)")
    assert sql(site, "select parent from child where id = 8; delete from child where id = 8") == "2"
    assert site.host.run(f"cat {upload(site)}") == "dear\n"
    assert site.plan().changes == ()
    assert site.get("/wp-login.php").startswith("200 ")
    kept = site.shelf.list()[0]
    assert (kept.why, kept.contents.tables["newer"], kept.contents.files) == ("restore", 0, 0)
    for secret in (DATABASE_PASSWORD, ADMIN_PASSWORD):
        marked = "".join(letter if letter.isalnum() else "." for letter in secret)
        assert site.host.run(f"grep -ac '{marked}' /tmp/seen || true", user="root").strip() == "0"
    assert site.host.run(f"find .crmhost -name '*.cnf' -o -name dump.sql; rm -f {stop} /tmp/seen", user="root") == ""


def test_an_upgrade_whose_release_does_not_become_ready_leaves_nothing_of_itself(site: Given) -> None:
    old, before = site.plan().release, (rows(site), titles(site), odd(site))
    quick = replace(site, patience=replace(site.patience, candidate=3.0))
    with Visitor(lambda: site.get("/wp-login.php")).visiting() as visitor, pytest.raises(GateFailed) as failure:
        quick.upgrade(BROKEN)
    (saved,) = [one for one in site.shelf.list() if one.why == "upgrade"]
    assert failure.value.remedy == f"backup {saved.id} was put back and {old.id} serves again."
    assert "did not become ready" in failure.value.what
    assert (rows(site), titles(site), odd(site)) == before
    assert site.get("/wp-login.php").startswith("200 ")
    assert site.plan().changes == ()
    seen = [answer[:4] for _, answer in visitor.answers]
    assert set(seen) == {"200 ", "503 "}
    assert any("<title>" in answer for _, answer in visitor.answers if answer.startswith("503 "))


def test_an_upgrade_and_the_way_back_which_loses_what_was_written_since(site: Given) -> None:
    before = titles(site)
    outcome = site.upgrade(NEXT)
    assert outcome.did == "deployed"
    assert site.get("/wp-login.php").startswith("200 ")
    assert titles(site) == [f"grown: {title}" for title in before]
    assert sql(site, "select version, `schema` from crmhost_schema").split() == [NEXT, "60000"]
    assert site.plan(NEXT).changes == ()
    sql(site, "insert into wp_grown values (1)")
    asked: list[Lost] = []

    def no(lost: Lost) -> bool:
        asked.append(lost)
        return False

    assert site.go_back(NEXT, no).did == "declined"
    assert len(asked) == 1
    assert site.go_back(NEXT, lambda _: True).backup == outcome.backup
    assert titles(site) == before
    assert "wp_grown" not in rows(site)
    assert site.plan().changes == ()


def test_a_restore_that_was_killed_is_finished_by_the_same_command(
    site: Given, wordpress: Recipe, wordpress_shelf: Shelf
) -> None:
    """Somebody holds a table while the database is emptied; then this side is killed, and nothing is whole."""
    before, snapshot = (rows(site), titles(site)), site.back_up()
    hold = f"mariadb -e 'lock tables {DATABASE}.wp_posts read; select sleep(300)'"
    site.host.container.exec_run(["sh", "-c", hold], user="root", detach=True)
    until(lambda: "sleep(300)" in site.host.sql("show processlist"), "a table is held", 30)
    archive = pinned(wordpress)
    with restoring(site, wordpress_shelf(archive), archive.sha256, snapshot) as process:
        until(lambda: "drop table if exists `wp_posts`" in site.host.sql("show processlist"), "it is emptied", 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    free = f"flock -n {site.layout.lock} true"
    until(lambda: site.host.run(f"{free} && echo free || true") == "free\n", "nobody holds the lock", 90)
    site.host.run("mariadb-admin shutdown; sleep 1; (mariadbd-safe --skip-log-error >/dev/null 2>&1 &)", user="root")
    until(lambda: site.host.run("mariadb -e 'select 1' || true", user="root").startswith("1"), "MariaDB is back", 60)
    assert set(rows(site)) < set(before[0])
    assert site.get("/wp-login.php").startswith("503 ")
    assert site.restore(snapshot).did == "restored"
    assert (rows(site), titles(site)) == before
    assert site.get("/wp-login.php").startswith("200 ")
    assert site.plan().changes == ()


def test_what_cannot_be_is_said_before_anything_is_stopped(site: Given) -> None:
    before = rows(site)
    away = "cd /usr/bin; for f in mariadb-dump mariadb; do mv $f $f.away; done"
    site.host.run(away, user="root")
    try:
        for refused in (site.back_up, lambda: site.upgrade(NEXT), lambda: site.restore(site.shelf.list()[0])):
            with pytest.raises(HostError, match="has no mysqldump or mariadb-dump, mysql or mariadb for this account"):
                refused()
            assert site.get("/wp-login.php").startswith("200 ")
    finally:
        site.host.run(away.replace("$f $f.away", "$f.away $f"), user="root")
    with pytest.raises(Refused, match=r"acme_try: target.database.scratch holds \d+ tables, and no record that a copy"):
        replace(site, contract="acme_try").plan()
    newer = MAGIC + b"CREATE TABLE a (x text) COLLATE=utf8mb4_0901_ai_ci;\n" + WHOLE
    for dump, why in (
        (POSTGRESQL + b"-" * 100, "another database than the MySQL or MariaDB that the host gave"),
        (newer, r"MariaDB 10\S+ does not know the backup's collation utf8mb4_0901_ai_ci; nothing was changed"),
    ):
        sink = io.BytesIO()
        writer = Writer(sink)
        writer.database(iter([dump]))
        writer.data(io.BytesIO(bytes(1024)))
        writer.end("acme", {}, "of another server")
        with site.driver() as driver, driver.lock("look") as work, pytest.raises(HostError, match=why):
            work.mover().load(site.want(), io.BytesIO(sink.getvalue()))
    assert rows(site) == before
    assert site.plan().changes == ()
