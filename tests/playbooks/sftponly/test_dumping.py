"""A backup's data out of a real web host that gives SFTP alone."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crm.bundle import Reader
from crm.errors import HostError
from playbooks.onhost.mysqltext import MAGIC, WHOLE, Reading
from playbooks.sftponly.dumping import awaited, checked, dump, dumped, packed, server_of
from playbooks.sftponly.installer import Silent, page
from playbooks.sftponly.sftp import WINDOW
from playbooks.sftponly.way import Seldom, leftovers
from tests.support.sftpdata import (
    COUNTS,
    DB,
    HERE,
    LAYOUT,
    OWNER,
    SECRET,
    WANT,
    Said,
    database,
    files,
    give,
    left,
    sql,
    way,
)
from tests.support.sftphost import SERVER, SftpHost
from tests.support.until import until

pytestmark = pytest.mark.slow


def taken(host: SftpHost) -> bytes:
    sink = io.BytesIO()
    with way(host) as here:
        dump(here, WANT, OWNER, sink)
    return sink.getvalue()


def text_of(bundle: bytes) -> bytes:
    reader = Reader(io.BytesIO(bundle))
    assert reader.keys() == {"admin-password": SECRET}
    return b"".join(reader.database(MAGIC))


def test_all_of_it_is_dumped_and_nothing_is_left(sftp_host: SftpHost) -> None:
    give(sftp_host)
    before = database(sftp_host), files(sftp_host)
    sink, said = io.BytesIO(), Said()
    with way(sftp_host, said) as here:
        contents = dump(here, WANT, OWNER, sink)
    assert contents.tables == COUNTS
    assert contents.keys == ("admin-password",)
    assert contents.database.startswith("MariaDB 10.11")
    assert (contents.files, contents.bytes) == (5, 1 + 2 + 0 + 1 + 9_000_000)
    assert ("database", "done", "20014 rows in 10 tables") in said.lines
    assert said.confirmed
    text, reading = text_of(sink.getvalue()), Reading()
    for line in text.splitlines(keepends=True):
        reading.see(line)
    assert (reading.whole, reading.tables) == (True, COUNTS)
    assert text.endswith(WHOLE)
    assert b"DEFINER=" not in text
    assert str(SERVER.password).encode() not in sink.getvalue()
    assert left(sftp_host) == ""
    assert (database(sftp_host), files(sftp_host)) == before


@pytest.mark.parametrize(
    ("setup", "why"),
    [
        (
            "create table old (id int) engine=MyISAM; create table older (id int) engine=Aria;",
            r"old \(MyISAM\), older \(Aria\).*ALTER TABLE name ENGINE=InnoDB",
        ),
        ("create sequence counter;", r"counter \(sequence\)"),
        ("create table `a\nb` (id int) engine=InnoDB;", r'"a\\nb" is a name with control characters'),
        (
            "create table t (x int) engine=InnoDB; create view v as select x from t; drop table t;",
            "(?i)v.*(cannot be read|references invalid)",
        ),
        (
            "delimiter //\ncreate procedure p() begin select ';;\n' as x; end//",
            "the procedure p has ;; at the end of a line",
        ),
    ],
    ids=["engines", "sequence", "name", "view", "delimiter"],
)
def test_what_cannot_be_carried_is_refused_by_its_name(sftp_host: SftpHost, setup: str, why: str) -> None:
    sftp_host.run(f"install -d -o acme {HERE}")
    sql(sftp_host, setup)
    with way(sftp_host) as here, pytest.raises(HostError, match=why):
        dump(here, WANT, OWNER, io.BytesIO())
    assert left(sftp_host) == ""


def test_what_another_account_made_is_refused_where_it_cannot_be_read(sftp_host: SftpHost) -> None:
    sftp_host.run(f"install -d -o acme {HERE}; mariadb acme -e 'create function theirs() returns int return 1'")
    with way(sftp_host) as here, pytest.raises(HostError, match="may not read the function theirs"):
        dump(here, WANT, OWNER, io.BytesIO())


@contextmanager
def writing(host: SftpHost) -> Iterator[None]:
    """Let the customer move money between two tables, and make and drop one, until the block ends."""
    script = (
        "touch /tmp/go; while [ -e /tmp/go ]; do echo 'start transaction; update aa set n = n - 1 where id = 1;"
        " insert into zz values (null); update zz_sum set n = n + 1; commit;'; done | mariadb acme"
    )
    worker = threading.Thread(target=host.run, args=(script,))
    worker.start()
    until(lambda: sql(host, "select count(*) > 20 from zz;") == "1\n", "the customer writes", 30)
    try:
        yield
    finally:
        host.run("rm /tmp/go")
        worker.join()


def test_it_is_one_instant_while_the_customer_goes_on(sftp_host: SftpHost) -> None:
    """What the first table has lost is in the last ones, row for row; and nobody waited for the dump."""
    sftp_host.run(f"install -d -o acme {HERE}")
    sql(
        sftp_host,
        "create table aa (id int primary key, n int) engine=InnoDB; insert into aa values (1, 0);"
        " create table zz (id int auto_increment primary key) engine=InnoDB;"
        " create table zz_sum (n int) engine=InnoDB; insert into zz_sum values (0);"
        " create table many (id int primary key, text varchar(300)) engine=InnoDB;"
        " insert into many select seq, repeat(md5(seq), 9) from seq_1_to_100000;",
    )
    with writing(sftp_host), way(sftp_host) as here:
        before = int(sql(sftp_host, "select count(*) from zz;"))
        sink = io.BytesIO()
        contents = dump(here, WANT, OWNER, sink)
        after = int(sql(sftp_host, "select count(*) from zz;"))
    text = text_of(sink.getvalue())
    rows = contents.tables["zz"]
    assert before <= rows < after
    assert f"`aa` (`id`,`n`) VALUES (1,-{rows});\n".encode() in text
    assert f"`zz_sum` (`n`) VALUES ({rows});\n".encode() in text


def test_a_table_that_is_made_anew_meanwhile_is_said(sftp_host: SftpHost) -> None:
    """Somebody holds it until the dump, whose snapshot is older, waits for it."""
    sftp_host.run(f"install -d -o acme {HERE}; mkfifo /tmp/anew")
    sql(sftp_host, "create table zz (id int) engine=InnoDB;")
    holder = "{ echo 'lock tables zz write;'; cat /tmp/anew; } | mariadb acme; rm /tmp/anew"
    holding = threading.Thread(target=sftp_host.run, args=(holder,))

    def make_anew() -> None:
        try:
            until(lambda: "metadata lock" in sql(sftp_host, "show full processlist;"), "the dump waits for it", 60)
        finally:
            sftp_host.run("echo 'create or replace table zz (id int) engine=InnoDB;' >/tmp/anew")

    making = threading.Thread(target=make_anew)
    holding.start()
    until(lambda: "zz\t1" in sql(sftp_host, "show open tables where in_use > 0;"), "it is held", 30)
    making.start()
    try:
        with way(sftp_host) as here, pytest.raises(HostError, match="a table was made anew while it was read; run"):
            dump(here, WANT, OWNER, io.BytesIO())
    finally:
        making.join()
        holding.join()
    assert left(sftp_host) == ""


def test_the_web_server_need_not_wait_for_it(sftp_host: SftpHost) -> None:
    """The request is cut while it works: what it writes is found over SFTP."""
    give(sftp_host)
    said = Said()
    with way(sftp_host, said) as here, dumped(here, WANT, longest=0.1) as found:
        assert found.tables == COUNTS
        assert sftp_host.run(f"sha256sum {HERE}/dump-*[0-9a-f]").split()[0] == found.sha256
        assert sftp_host.run(f"stat -c %a {HERE}/dump-*") == "600\n600\n"
    assert ("database", "note") in [line[:2] for line in said.lines]
    assert left(sftp_host) == ""


def test_what_arrives_must_be_what_was_written(sftp_host: SftpHost) -> None:
    """Another byte, or fewer: no backup is made of it."""
    give(sftp_host)
    with way(sftp_host) as here, dumped(here, WANT) as found:
        assert sum(map(len, checked(here, found, Reading(), "acme"))) == found.size
        for harm in ("sed -i 's/one/One/'", "truncate -s -20"):
            sftp_host.run(f"{harm} {HERE}/dump-*[0-9a-f]")
            with pytest.raises(HostError, match=r"acme: the dump of the database has \d+ bytes on the host, and"):
                list(checked(here, found, Reading(), "acme"))
    assert left(sftp_host) == ""


def test_a_request_that_was_ended_is_waited_for_only_while_it_works(sftp_host: SftpHost) -> None:
    sftp_host.run(f"install -d -o acme {HERE}")
    silent = Silent("nobody answers")
    with way(sftp_host) as here:
        path = LAYOUT.below(f"dump-{'0' * 16}")
        with pytest.raises(Silent):
            awaited(here, path, silent, lambda _: None, stalled=2)
        here.files.create(f"{path}.part", b"x")
        with pytest.raises(HostError, match=r"(?s)has 1 bytes and does not grow.*request_terminate_timeout"):
            awaited(here, path, silent, lambda _: None, stalled=2)
        here.files.create(f"{path}.json", b'{"ok": false, "why": "no room"}')
        with pytest.raises(HostError, match="no room"):
            awaited(here, path, silent)
        assert leftovers(here) == (f"dump-{'0' * 16}.json", f"dump-{'0' * 16}.part")
        with pytest.raises(HostError, match=f"dump-{'0' * 16}.part|nobody waits"):
            here.installer.ask("dump", database=DB, into=f"dump-{'0' * 16}", records=[])
    assert left(sftp_host) == ""


def test_a_dump_that_nobody_waits_for_ends(sftp_host: SftpHost) -> None:
    """Whoever asked was killed, and the next one cleared up: PHP goes on no longer than some seconds."""
    give(sftp_host)
    sql(sftp_host, "insert into many select seq, repeat(md5(seq), 9) from seq_20001_to_400000;")
    with way(sftp_host) as here:
        name = f"dump-{'1' * 16}"
        here.files.create(LAYOUT.below(f"{name}.part"), b"")
        with pytest.raises(Silent):
            here.installer.ask_within(0.5, "dump", database=DB, into=name, records=[])
        assert leftovers(here) == (f"{name}.part",)
        asked = "select count(*) from information_schema.processlist where user = 'acme' and db = 'acme'"
        until(lambda: sftp_host.run(f'mariadb -N -e "{asked}"') == "0\n", "PHP has ended", 15)
    assert left(sftp_host) == ""


def test_it_needs_little_memory_and_time(own_host: SftpHost) -> None:
    own_host.run(
        "sed -i -E 's/^(max_execution_time) .*/\\1 = 1/; s/^memory_limit .*/memory_limit = 12M/' $(ls -d"
        " /etc/php/8.2/apache2/php.ini)"
    )
    own_host.restart()
    give(own_host)
    sql(own_host, "insert into many select seq, repeat(md5(seq), 9) from seq_20001_to_200000;")
    sink = io.BytesIO()
    with way(own_host) as here:
        assert dump(here, WANT, OWNER, sink).tables["many"] == 200_000
    assert len(text_of(sink.getvalue())) > 60_000_000


def test_files_that_change_while_they_are_read(sftp_host: SftpHost) -> None:
    """What was deleted since is left out, what became longer has what it had, and what became shorter is refused."""
    sftp_host.run(
        f"install -d -o acme {HERE}/data/a; cd {HERE}/data/a; echo 1 >1; echo 2 >2; echo 3 >3;"
        f" head -c 9000000 /dev/zero >4; chown -R acme: {HERE}"
    )
    with way(sftp_host) as here:
        pieces = packed(here.files, LAYOUT.below("data"), ("none", "a"), lambda: None)
        first = next(pieces) + next(pieces)
        sftp_host.run(f"cd {HERE}/data/a; rm 2; echo longer >3")
        with tarfile.open(fileobj=io.BytesIO(first + b"".join(pieces))) as tar:
            found = {one.name: (one.size, one.mode) for one in tar}
        assert found == {"a": (0, 0o755), "a/1": (2, 0o644), "a/3": (7, 0o644), "a/4": (9_000_000, 0o644)}
        pieces = packed(here.files, LAYOUT.below("data"), ("a/4",), lambda: None)
        assert (len(next(pieces)), len(next(pieces))) == (512, WINDOW)
        sftp_host.run(f"echo short >{HERE}/data/a/4")
        with pytest.raises(HostError, match=r"a/4 became shorter while it was read"):
            b"".join(pieces)
        sftp_host.run(f"touch {HERE}/data/a/$(printf 'caf\\351')")
        with pytest.raises(HostError, match=r"a name in .*/data/a is no UTF-8"):
            b"".join(packed(here.files, LAYOUT.below("data"), ("a",), lambda: None))


def test_a_page_that_may_only_ask_carries_nothing_that_moves_data() -> None:
    ask, work = (page("7" * 64, 1, may, "../x").decode() for may in ("ask", "work"))
    for name in ("dump", "make_room", "fill", "counted", "arrange", "swap"):
        assert f"function {name}(" in work
        assert f"function {name}(" not in ask
    assert work.count("namespace crmhost;") == work.count("<?php") == 1


def test_names_of_servers() -> None:
    assert server_of("10.11.6-MariaDB-0+deb12u1-log") == "MariaDB 10.11.6"
    assert server_of("8.0.36-0ubuntu0.22.04.1") == "MySQL 8.0.36"


def test_what_is_done_seldom() -> None:
    done: list[float] = []
    at = [0.0]
    seldom = Seldom(lambda: done.append(at[0]), lambda: at[0])
    for at[0] in (100.0, 104.0, 105.0, 109.9, 111.0):
        seldom()
    assert done == [100.0, 105.0, 111.0]
