"""The text of a dump of MySQL or MariaDB: whose rows a line holds, where it ends, and what stays out of it. Pure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from playbooks.onhost.mysql import TABLES
from playbooks.onhost.mysqltext import MAGIC, WHOLE, Reading, collations, options, portable, records, rows

DUMPS = Path(__file__).parent / "dumps"


def read(*lines: bytes) -> Reading:
    reading = Reading()
    for line in lines:
        reading.see(line)
    return reading


@pytest.mark.parametrize(
    ("line", "count"),
    [
        (b"INSERT INTO `t` VALUES (1,'a'),(2,NULL),(3,-1.5e10);\n", 3),
        (b"INSERT INTO `t` VALUES\n", 0),
        (b"(1,'a'),\n", 1),
        (b"(2,0x28AB28,_binary '(');\n", 1),
        (b"INSERT INTO `t(` (`i(d`, `VALUES`) VALUES (1,2);\n", 1),
        (rb"INSERT INTO `t` VALUES (1,'it\'s (\\'),(2,'it''s ('),(3,'VALUES (');" + b"\n", 3),
        (b"/*!40000 ALTER TABLE `t` DISABLE KEYS */;\n", 0),
    ],
)
def test_rows_are_counted_whatever_their_texts_say(line: bytes, count: int) -> None:
    assert rows(line) == count


@pytest.mark.parametrize("end", [b"", b"\\", b"\\'"])
def test_a_line_that_is_cut_in_a_text_is_read_at_once(end: bytes) -> None:
    text = b"x" * 400_000 + b"\\'(" * 100_000
    assert rows(b"INSERT INTO `t` VALUES (1,'" + text + end) == 1


def test_rows_are_those_of_the_table_that_was_named_and_of_no_program() -> None:
    found = read(
        MAGIC,
        b"CREATE TABLE `a``b` (\n",
        b"(not a row)\n",
        b"-- Dumping data for table `a``b`\n",
        b"INSERT INTO `a``b` VALUES\n",
        b"(1),\n",
        b"(2);\n",
        b"/*!50003 SET sql_mode = '' */ ;\n",
        b"DELIMITER ;;\n",
        b"INSERT INTO `a``b` VALUES (3);\n",
        b"DELIMITER ;\n",
        b"-- Dumping data for table `empty`\n",
        WHOLE,
    )
    assert found.tables == {"a`b": 2, "empty": 0}
    assert found.whole


def test_what_goes_on_after_the_end_or_stops_before_it_is_not_whole() -> None:
    assert not read(MAGIC, WHOLE[:-1]).whole
    assert not read(MAGIC, WHOLE, b"more\n").whole
    assert not read().whole


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        (
            b"/*!50013 DEFINER=`u`@`localhost` SQL SECURITY DEFINER */\n",
            b"/*!50013 SQL SECURITY DEFINER */\n",
        ),
        (
            b"/*!50003 CREATE*/ /*!50017 DEFINER=`a``b`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT ON x\n",
            b"/*!50003 CREATE*/ /*!50017*/ /*!50003 TRIGGER t BEFORE INSERT ON x\n",
        ),
        (b"CREATE DEFINER=`u`@`%` PROCEDURE `p`()\n", b"CREATE PROCEDURE `p`()\n"),
        (b'CREATE DEFINER="u"@"a""b" trigger t before insert on x\n', b"CREATE trigger t before insert on x\n"),
        (b"  select 'DEFINER=`u`@`%`';\n", b"  select 'DEFINER=`u`@`%`';\n"),
        (b"/*M!999999\\- enable the sandbox mode */ \n", b""),
    ],
)
def test_nothing_names_the_account_or_the_program_that_it_was_made_with(line: bytes, stays: bytes) -> None:
    assert portable(line) == stays


def test_what_mysqls_own_program_writes_is_counted_and_names_no_account() -> None:
    # Written by hand after its documentation: all rows of a table in one line, columns named beside a generated one,
    # bodies of triggers and programs in lines of their own.
    reading, kept = Reading(), []
    for line in (DUMPS / "mysql-8.sql").read_bytes().splitlines(keepends=True):
        kept.append(line if reading.inside else portable(line))
        reading.see(kept[-1])
    assert reading.tables == {"child": 1, "odd": 2, "without_rows": 0}
    assert [line for line in kept if b"`acme`@" in line] == []
    assert [line for line in kept if b"DEFINER=`a`@`b`" in line], "rows stay as they are"
    assert not reading.whole, "our own last line comes after it"


def test_what_the_program_of_mysql_9_7_wrote_is_counted_and_names_no_account() -> None:
    # Of a real server, by an account with rights on the one database, with the options that a backup has.
    reading, kept = Reading(), []
    for line in (DUMPS / "mysql-9.sql").read_bytes().splitlines(keepends=True):
        kept.append(line if reading.inside else portable(line))
        reading.see(kept[-1])
    assert reading.tables == {"zz_child": 1, "zz_empty": 0, "zz_kinds": 2}
    assert reading.collations == {"utf8mb4_0900_ai_ci"}
    assert [line for line in kept if b"`acme`@" in line] == []
    assert [line for line in kept if b"DEFINER=`a`@`b`" in line], "rows stay as they are"


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (b") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;\n", ["utf8mb4_0900_ai_ci"]),
        (b"  `a` varchar(9) CHARACTER SET latin1 COLLATE latin1_bin, -- x\n", ["latin1_bin"]),
        (b"/*!50003 SET collation_connection  = utf8mb4_uca1400_ai_ci */ ;\n", ["utf8mb4_uca1400_ai_ci"]),
        (b"set collation_connection = 'utf8mb4_0900_ai_ci';\n", ["utf8mb4_0900_ai_ci"]),
        (b"  `COLLATE a_b` text COMMENT 'COLLATE a_b',\n", []),
        (b"/*!50003 SET collation_connection  = @saved_col_connection */ ;\n", []),
        (b"  `a` longblob COLLATE binary,\n", []),
    ],
)
def test_what_texts_are_sorted_by_is_told(line: bytes, names: list[str]) -> None:
    assert collations(line) == names


def test_no_function_is_asked_of_a_database_that_newer_servers_lack() -> None:
    """MySQL 9.6 took md5() and sha1() out; no program for hosts has them, in SQL or beside it."""
    programs = [
        one
        for folder in ("onhost", "sftponly/onhost")
        for one in (Path("playbooks") / folder).iterdir()
        if one.is_file()
    ]
    assert len(programs) > 10
    found = [(one.name, *re.findall(r"\b(?:md5|sha1?)\(", one.read_text("utf-8"))) for one in programs]
    assert [one for one in found if len(one) > 1] == []


def test_the_records_of_steps_come_last_and_at_once() -> None:
    found: dict[str, list[list[object]]] = {
        "crmhost_steps": [["schema", "finished", "r-1", "2026"], ["it's", "", "", ""]],
        "crmhost_schema": [[1, "r", "1.0", "5", "2026"]],
    }
    text = records(TABLES, found)
    assert read(*text.splitlines(keepends=True)).tables == {"crmhost_steps": 2, "crmhost_schema": 1}
    assert text.index(b"start transaction") < text.index(b"delete from") < text.index(b"commit;") < text.index(WHOLE)
    assert b"(_utf8mb4 0x69742773, '', '', '')" in text
    assert text.endswith(b"commit;\n" + WHOLE)


def test_a_password_is_told_with_whatever_is_in_it() -> None:
    given: dict[str, object] = {"host": "localhost", "port": "3306", "user": "u", "password": "a'b\"c\\d#e\nf g "}
    assert options(given).splitlines() == [
        "[client]",
        'host="localhost"',
        'port="3306"',
        'user="u"',
        'password="a\'b\\"c\\\\d#e\\nf g "',
    ]
