"""A backup's data back into a real web host that gives SFTP alone, row for row and file for file."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from crm.backup import Contents
from crm.bundle import Reader, Writer
from crm.errors import CrmhostError, HostError
from crm.recipe import BackupSet
from playbooks.onhost.mysqltext import WHOLE
from playbooks.sftponly.dumping import dump
from playbooks.sftponly.installer import Installer
from playbooks.sftponly.loading import coded, load, units
from playbooks.sftponly.parts import cut
from playbooks.sftponly.way import leftovers
from tests.support.engine import RealEngine
from tests.support.sftpdata import COUNTS, DB, HERE, OWNER, WANT, database, files, give, left, sql, way
from tests.support.sftphost import SftpHost, serving

pytestmark = pytest.mark.slow
SPOIL = """
set foreign_key_checks = 0; delete from hard where id <> 8; drop view aa_upon; drop procedure fill_it;
drop trigger parent_then; alter table child drop foreign key of_parent; create table newer (x int) engine=InnoDB;
insert into newer values (1); create function newer_too() returns int deterministic return 1;
create view newest as select 1 as x; update crmhost_schema set version = '9', needs = '9';
insert into crmhost_steps values ('later', 'finished', 'x', 'x');
"""


def taken(host: SftpHost) -> bytes:
    sink = io.BytesIO()
    with way(host) as here:
        dump(here, WANT, OWNER, sink)
    return sink.getvalue()


def put_back(host: SftpHost, bundle: bytes) -> Contents:
    with way(host) as here:
        return load(here, WANT, io.BytesIO(bundle))


def spoil(host: SftpHost) -> None:
    """Let the customer have other data than in the backup."""
    sql(host, SPOIL)
    host.run(
        f"cd {HERE}/data; rm -r uploads/link 'uploads/a b/c'; echo new >uploads/large;"
        " install -d -o acme none sessions; echo new >none/new; echo kept >sessions/kept; chown -R acme: ."
    )


def records(host: SftpHost) -> str:
    return sql(
        host, "select name, state, made_by from crmhost_steps; select recipe, version, needs from crmhost_schema;"
    )


def test_the_round_trip(sftp_host: SftpHost) -> None:
    """It comes back as it was, whatever was there meanwhile; and once more where nothing was."""
    give(sftp_host)
    before = database(sftp_host), files(sftp_host)
    bundle = taken(sftp_host)
    spoil(sftp_host)
    contents = put_back(sftp_host, bundle)
    assert (contents.tables, contents.files, contents.keys) == (COUNTS, 5, ("admin-password",))
    assert database(sftp_host) == before[0]
    assert sftp_host.run(f"cat {HERE}/data/sessions/kept") == "kept\n"
    sftp_host.run(f"rm -r {HERE}/data/sessions")
    assert files(sftp_host) == before[1]
    assert records(sftp_host) == "tables\tfinished\tmemo-1.0-000000000000\nmemo\t1.0\t1\n"
    assert left(sftp_host) == ""
    sql(sftp_host, "insert into parent values (3, 'three'); call fill_it(); insert into nothing values ();")
    assert sql(sftp_host, "select said from log; select * from nothing; select `dou``ble` from aa_upon;").split(
        "\n"
    ) == ['"three";', "again", "then", "by a procedure", "77", "2", "4", "6", ""]
    sftp_host.reset()
    sftp_host.run(f"install -d -o acme -m 700 {HERE}")
    put_back(sftp_host, bundle)
    sftp_host.run(f"rm -r {HERE}/data/sessions")
    assert (database(sftp_host), files(sftp_host)) == before
    assert records(sftp_host) == "tables\tfinished\tmemo-1.0-000000000000\nmemo\t1.0\t1\n"


def changed(bundle: bytes, dump: Callable[[bytes], bytes], tables: dict[str, int] | None = None) -> bytes:
    """Return the bundle with another dump in it, and with these counts."""
    reader = Reader(io.BytesIO(bundle))
    sink = io.BytesIO()
    writer = Writer(sink)
    for name, key in reader.keys().items():
        writer.key(name, key)
    writer.database([dump(b"".join(reader.database(b"")))])
    writer.data(io.BytesIO(b"".join(reader.data())))
    _, contents = reader.end()
    writer.end("acme", tables or contents.tables, contents.database)
    return sink.getvalue()


def without_a_row(text: bytes) -> bytes:
    return text.replace(b"(1,'one'),", b"")


def sorted_anew(text: bytes) -> bytes:
    return text.replace(b"CREATE TABLE `nothing` (", b"CREATE TABLE `nothing` (x text COLLATE utf8mb4_0901_ai_ci,")


def test_what_is_not_whole_is_refused_and_nothing_is_touched(sftp_host: SftpHost) -> None:
    give(sftp_host)
    bundle = taken(sftp_host)
    spoil(sftp_host)
    before = database(sftp_host), files(sftp_host), records(sftp_host)
    refused = [
        (bundle[: len(bundle) // 3], "cannot be read"),
        (bundle[:-2000], "cannot be read|ends before"),
        (changed(bundle, lambda text: text[: len(text) // 2]), "cut short"),
        (changed(bundle, lambda text: text.removesuffix(WHOLE)), "cut short"),
        (changed(bundle, without_a_row), "parent has 1, not 2"),
        (changed(bundle, lambda _: b""), "holds no database"),
        (changed(bundle, lambda _: b"PGDMP..."), "holds another database than the MySQL"),
        (changed(bundle, sorted_anew), "does not know the backup's collation utf8mb4_0901_ai_ci; nothing was changed"),
        (changed(bundle, lambda text: text, {**COUNTS, "more": 1}), "more has None, not 1"),
    ]
    for source, why in refused:
        with pytest.raises(CrmhostError, match=why):
            put_back(sftp_host, source)
        assert left(sftp_host) == ""
    sftp_host.run("mariadb -e 'set global max_allowed_packet = 1048576'")
    with pytest.raises(HostError, match="max_allowed_packet"):
        put_back(sftp_host, bundle)
    sftp_host.run("mariadb -e 'set global max_allowed_packet = 16777216'")
    assert (database(sftp_host), files(sftp_host), records(sftp_host)) == before
    assert left(sftp_host) == ""


def test_what_the_database_does_not_take_is_told_and_the_records_stay(sftp_host: SftpHost) -> None:
    """A table that this server cannot make: it is said, and the same again with what it can make comes out whole."""
    give(sftp_host)
    bundle = taken(sftp_host)
    before = database(sftp_host), files(sftp_host)
    spoil(sftp_host)
    kept = records(sftp_host)
    broken = changed(
        bundle, lambda text: text.replace(b"CREATE TABLE `nothing` (", b"CREATE TABLE `nothing` (none none,")
    )
    told = r"(?s)could not be put in place: the page of crmhost .* fill the database .*says: .*none.*same command again"
    with pytest.raises(HostError, match=told):
        put_back(sftp_host, broken)
    assert records(sftp_host) == kept
    assert left(sftp_host) == ""
    put_back(sftp_host, bundle)
    sftp_host.run(f"rm -r {HERE}/data/sessions")
    assert (database(sftp_host), files(sftp_host)) == before


def test_what_may_not_be_dropped_is_met_before_a_row_is_lost(sftp_host: SftpHost) -> None:
    """A routine of another account's, as a view may be on MySQL."""
    give(sftp_host)
    folder = f"incoming-{'0' * 16}"
    sftp_host.run(f"install -d -o acme {HERE}/{folder}")
    sftp_host.run(
        "mariadb acme -e 'create procedure theirs() select 1; revoke alter routine on acme.* from acme@localhost'"
    )
    try:
        with way(sftp_host) as here, pytest.raises(HostError, match=r"(?i)alter routine command denied"):
            here.installer.ask("make_room", database=DB, folder=folder)
    finally:
        sftp_host.run("mariadb acme -e 'grant all on acme.* to acme@localhost; drop procedure theirs'")
    assert sql(sftp_host, "select count(*) from many; select count(*) from aaa_child;") == "20000\n1\n"


def test_hostile_names_lead_nowhere(sftp_host: SftpHost) -> None:
    folder = f"incoming-{'0' * 16}"
    sftp_host.run(
        f"install -d -o acme {HERE}/{folder} {HERE}/{folder}/files {HERE}/data; ln -s /tmp {HERE}/data/link;"
        f" ln -s /tmp {HERE}/{folder}/files/link; chown -hR acme: {HERE}"
    )
    with way(sftp_host) as here:
        for name in ("../x", "/etc/x", "a/../../x", "link/x", "", ".", "a\0b"):
            with pytest.raises(HostError, match=r"a name that leads elsewhere|lies below a link"):
                here.installer.ask("swap", folder=folder, names=[coded(name)], folders=[])
        for other in ("..", "../x", "data/link", "a\n"):
            for verb in ("swap", "arrange", "fill", "make_room"):
                with pytest.raises(HostError, match=r"not a path of ours|a link is in the way|is not there any more"):
                    here.installer.ask(verb, folder=other, at=0, names=[], folders=[], database=DB)
    assert sftp_host.run("ls -A /tmp | grep -x x || true") == ""


def test_what_is_replaced_is_what_a_backup_is_of() -> None:
    assert units(BackupSet(True, ("documents", "a/b"), ()), ("a", "documents", "other")) == (
        "documents",
        "a/b",
        "other",
    )


def test_parts_are_of_one_size_but_for_the_last() -> None:
    assert list(cut([b"abc", b"", b"defgh"], 3)) == [b"abc", b"def", b"gh"]
    assert list(cut([b"abcdef"], 3)) == [b"abc", b"def"]
    assert list(cut([])) == []


def dying(at: str, after: int, *, amid: bool) -> type[Installer]:
    """Return an installer whose process is killed when a verb was answered so often, or amid the request then."""

    class Dying(Installer):
        left = after

        def ask_within(self, longest: float, verb: str, **given: object) -> Mapping[str, Any]:
            if verb == at and amid and self.left == 0:
                threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGKILL)).start()
            answer = super().ask_within(longest, verb, **given)
            if verb == at:
                if self.left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                self.left -= 1
            return answer

    return Dying


def killed(host: SftpHost, bundle: bytes, made: type[Installer]) -> None:
    """Load it in a process of its own, which is killed."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), way(host, made=made) as here:
            load(here, WANT, io.BytesIO(bundle))
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it was not killed"


@pytest.mark.parametrize(
    ("verb", "after", "amid"),
    [
        ("unpack_tree", 0, False),
        ("arrange", 0, False),
        ("make_room", 0, False),
        ("fill", 0, False),
        ("fill", 0, True),
        ("fill", 1, False),
        ("counted", 0, False),
        ("forget", 0, False),
        ("swap", 0, False),
        ("remove", 0, False),
    ],
)
def test_killed_and_done_again_it_comes_out_the_same(slow_host: SlowHost, verb: str, after: int, amid: bool) -> None:
    host = slow_host.host
    spoil(host)
    killed(host, slow_host.bundle, dying(verb, after, amid=amid))
    with way(host) as here:
        assert leftovers(here) or verb == "remove"
        load(here, WANT, io.BytesIO(slow_host.bundle))
    assert database(host) == slow_host.database
    host.run(f"rm -r {HERE}/data/sessions")
    assert files(host) == slow_host.files
    assert left(host) == ""
    assert records(host) == "tables\tfinished\tmemo-1.0-000000000000\nmemo\t1.0\t1\n"


@dataclass(frozen=True, slots=True)
class SlowHost:
    """A host whose PHP may work for a third of a second at once; a backup, and what it must come out as."""

    host: SftpHost
    bundle: bytes
    database: str
    files: str


@pytest.fixture(scope="module")
def slow_host(engine: RealEngine, sftp_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowHost]:
    with closing(engine.client()) as client, serving(client, sftp_image, tmp_path_factory.mktemp("slow")) as host:
        host.run(
            "sed -i -E 's/^(max_execution_time) .*/\\1 = 1/; s/^memory_limit .*/memory_limit = 16M/'"
            " /etc/php/8.2/apache2/php.ini"
        )
        host.restart()
        give(host)
        sql(host, "insert into many select seq, repeat(md5(seq), 9) from seq_20001_to_120000;")
        yield SlowHost(host, taken(host), database(host), files(host))
