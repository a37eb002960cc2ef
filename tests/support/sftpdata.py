"""Data that is hard to carry, on a web host that gives SFTP alone, and what tells whether it came back."""

from __future__ import annotations

import io
import re
import shlex
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from crm.plan import Release, Want
from crm.recipe import BackupSet
from playbooks.sftponly.installer import Installer
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.release import Kept, Manifest
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.way import Way
from tests.support.memo.recipe import SECRETS, memo_want
from tests.support.sftphost import ROOT, SERVER, SftpHost

HERE = "/srv/acme/site/.crmhost/acme"
LAYOUT = Layout("acme", ROOT)
OWNER = Kept(Manifest(Release("memo", "1.0", "0" * 64, "1"), "", "", "htdocs", {}), "")
WANT: Want = replace(
    memo_want(), recipe=replace(memo_want().recipe, backup=BackupSet(True, ("uploads", "none"), ("admin-password",)))
)
SECRET = SECRETS["admin-password"]
DB = {"host": SERVER.host, "port": SERVER.port, "name": SERVER.name, "user": SERVER.user, "password": SERVER.password}
"""How the installer is told of the database."""

HARD = r"""
set names utf8mb4;
set sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
set time_zone = '+03:30';
create table hard (
  id bigint unsigned not null auto_increment primary key, t text character set utf8mb4,
  l varchar(50) character set latin1,
  b longblob, vb varbinary(16), one bit(1), many bit(64),
  d decimal(40,10), f float, g double, h float(7,4),
  i tinyint(1), big bigint, u bigint unsigned, z int(8) unsigned zerofill, dt date, dtm datetime(6),
  ts timestamp(3) null, tm time, y year, e enum('a','b''c',''), s set('x','y'), j json, p point,
  calc int generated always as (big % 7) stored, virt varchar(100) generated always as (concat('(', l)) virtual,
  hidden int invisible default 7, unique key (vb)
) engine=InnoDB default charset=utf8mb4 comment 'it''s; a "comment";
-- of two lines;';
insert into hard (id, t, l, b, vb, one, many, d, f, g, h, i, big, u, z, dt, dtm, ts, tm, y, e, s, j, p, hidden) values
  (0, '', '', '', '', b'0', 0, 0, 0, 0, 0, 0, 0, 0, 0, '0000-00-00', '0000-00-00 00:00:00', null, '00:00:00', 0, '', '',
   '{}', null, null),
  (1, 'it''s "quoted" \\ and \\'' \0 \Z % _ ; VALUES (1),(2);\n-- Dumping data for table `hard`\nINSERT (\r\n\t\b',
   'äöü€', x'00ff0a0d27225c1a2d2d', x'28292c', b'1', 18446744073709551615,
   -12345678901234567890.0123456789, 1.2345678, 0.1,
   123.4567, -128, -9223372036854775808, 18446744073709551615, 42, '9999-12-31', '2026-02-29 12:00:00.000001',
   '2026-03-29 02:30:00.123', '-838:59:59', 2155, 'b''c', 'x,y', '{"a": "it''s \\"x\\"", "b": [1, null]}',
   point(1.5, -2.25), 9),
  (7, '😀 نمونه Tiếng Việt \\', null, null, null, null, null, null, null, 1.7976931348623157e308, null, null,
   9223372036854775807, null, null, null, null, null, null, null, null, null, null, null, 1),
  (8, repeat('x;\n', 200000), 'x', repeat(x'00ff27', 200000), x'ff', 1, 1, 1, 1e-30, 5e-324, 1, 1, 1, 1, 1,
   '2026-01-01', '2026-01-01', '2026-01-01', '1:00', 2026, 'a', 'x', '[]', null, null);
alter table hard auto_increment = 5000;
create table `odd``na'me (VALUES` (`b``c (` int, `select` varchar(20), `ü` text) engine=InnoDB;
insert into `odd``na'me (VALUES` values (-1, ');', null), (null, ''';', '(');
create table parent (id int primary key, name varchar(20)) engine=InnoDB;
create table child (id int auto_increment primary key, parent int not null, constraint of_parent foreign key (parent)
  references parent (id) on delete cascade) engine=InnoDB;
create table aaa_child (id int primary key, foreign key (id) references child (id)) engine=InnoDB;
insert into parent values (1, 'one'), (2, 'two');
insert into child values (10, 1), (20, 2);
insert into aaa_child values (10);
create table nothing (id int auto_increment primary key) engine=InnoDB auto_increment=77;
create table log (id int auto_increment primary key, said text) engine=InnoDB;
create table many (id int primary key, text varchar(300)) engine=InnoDB;
insert into many select seq, repeat(md5(seq), 9) from seq_1_to_20000;
delimiter //
create function twice(x int) returns int deterministic
begin
  -- it's a comment; with ;; in it, not at its end
  declare said varchar(20) default ';';
  return x * 2;
end//
create procedure fill_it() begin insert into log (said) values ('by a procedure'); end//
set sql_mode = 'ANSI_QUOTES'//
create trigger parent_seen after insert on parent for each row
begin
  insert into log (said) values (concat('"', new."name", '";')); -- don't
  insert into log (said) values ('again');
end//
create trigger parent_then after insert on parent for each row insert into log (said) values ('then')//
delimiter ;
set sql_mode = '';
create view zz_base as select id, name, '; it''s' as note from parent where name <> 'ü';
create view aa_upon as select note, twice(id) as `dou``ble` from zz_base;
create table crmhost_steps (name varchar(180) primary key, state varchar(16) not null,
  made_by varchar(180) not null, at varchar(32) not null) engine=InnoDB character set ascii;
create table crmhost_schema (one int primary key, recipe varchar(180) not null,
  version varchar(180) not null, needs varchar(180) not null, at varchar(32) not null) engine=InnoDB
  character set ascii;
insert into crmhost_steps values ('tables', 'finished', 'memo-1.0-000000000000', '2026-11-29T00:00:00Z'),
  ('tidy@memo-1.0-000000000000', 'finished', 'memo-1.0-000000000000', '2026-11-29T00:00:00Z');
insert into crmhost_schema values (1, 'memo', '1.0', '1', '2026-11-29T00:00:00Z');
"""
COUNTS = {
    "aaa_child": 1,
    "child": 2,
    "hard": 4,
    "log": 0,
    "many": 20000,
    "nothing": 0,
    "odd`na'me (VALUES": 2,
    "parent": 2,
    "crmhost_steps": 2,
    "crmhost_schema": 1,
}
FILES = r"""
umask 022; cd %s/data/uploads
mkdir -p 'a b/c' empty; printf x >'a b/c/it'"'"'s "q" *?<>|:.pdf'; printf 'ü' >'日本 ü'; : >nothing
printf y >'two
lines'; ln -s 'a b/c' link; ln -s /etc/passwd out; chmod 750 empty; chmod 640 nothing
head -c 9000000 /dev/urandom >large; touch -d @1700000000 large; chown -hR acme: %s
"""


def sql(host: SftpHost, text: str, database: str = "acme") -> str:
    """Run SQL as the customer's account, and return what it answered."""
    account = f"mariadb -u acme -p{SERVER.password} --default-character-set=utf8mb4 -N -B {database}"
    host.container.put_archive("/", _tar(text))
    return host.run(f"{account} </given.sql")


def _tar(text: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("given.sql")
        info.size = len(text.encode())
        tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def give(host: SftpHost) -> None:
    """Let the customer have it."""
    host.run(f"install -d -o acme -m 700 {HERE} && install -d -o acme -m 711 {HERE}/data")
    host.run(f"install -d -o acme {HERE}/data/uploads")
    sql(host, HARD)
    host.run(FILES % (HERE, HERE))


def database(host: SftpHost) -> str:
    """Return all of the database but the records of steps, as the server's own program tells it, row for row."""
    left_out = " ".join(f"--ignore-table=acme.{name}" for name in ("crmhost_steps", "crmhost_schema"))
    text = host.run(
        "mariadb-dump --skip-extended-insert --hex-blob --skip-comments --skip-dump-date --order-by-primary --routines"
        f" --triggers --tz-utc {left_out} acme"
    )
    asked = (
        "select concat('`', replace(table_name, '`', '``'), '`') from information_schema.tables where table_schema ="
        " 'acme' and table_type = 'BASE TABLE' and table_name not like 'crmhost%' order by 1"
    )
    names = host.run(f"mariadb -N -B -e {shlex.quote(asked)}").splitlines()
    sums = host.run(f"mariadb -N -B acme -e {shlex.quote('checksum table ' + ', '.join(names))}") if names else ""
    return re.sub(r"DEFINER=`[^`]*`@`[^`]*`", "", text) + sums


def files(host: SftpHost) -> str:
    """Return all that lies in the data folder: kinds, modes, sizes, times, digests."""
    return host.run(
        f"cd {HERE}/data && find . -printf '%P %y %m %l\\n' | sort && find . -type f -printf '%P %s %Ts\\n' | sort &&"
        " find . -type f -print0 | sort -z | xargs -0r sha256sum"
    )


def left(host: SftpHost) -> str:
    """Return what an operation must not leave."""
    return host.run(f"ls {HERE} | grep -v '^data$' | grep -v '^packs$' || true; ls {HERE}/packs 2>/dev/null || true")


class Said:
    """What was said, and how often the lock was confirmed."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []
        self.confirmed = 0

    def __call__(self, subject: str, state: str, detail: str) -> None:
        self.lines.append((subject, state, detail))

    def confirm(self) -> None:
        """Count; nobody else is here."""
        self.confirmed += 1


@contextmanager
def way(host: SftpHost, said: Said | None = None, made: type[Installer] = Installer) -> Iterator[Way]:
    """Give a way to the data of contract `acme`, with an installer of its own."""
    said = said or Said()
    with host.reach() as reached, closing(Files(reached)) as files_:
        installer = made(files_, host.site, LAYOUT, "work")
        try:
            yield Way(files_, installer, LAYOUT, SERVER, said, said.confirm)
        finally:
            installer.leave()
