"""Runs on the host: the text of a dump of MySQL or MariaDB, line by line, and what it holds. No I/O.

It is what the host's own program for dumps writes, between a first line of ours and the records of the steps: those
stay as they are until everything else is back, and then change at one instant. So a restore that was killed finds them.
"""

import re

MAGIC = b"-- crmhost: a dump of MySQL or MariaDB, in utf8mb4\n"
"""Its first line."""
WHOLE = b"-- crmhost: whole\n"
"""Its last line, without which it was cut short."""
RECORDS = ("crmhost_steps", "crmhost_schema")
_DATA = re.compile(rb"-- Dumping data for table `((?:[^`]|``)+)`")
_ENDS = (b"-- ", b"UNLOCK TABLES", b"DELIMITER", b"/*!50003")
"""How lines begin that end a table's rows; what follows may be a trigger, whose text has any lines."""
_QUOTED = re.compile(rb"'[^'\\]*(?:(?:\\(?:.|\Z)|'')[^'\\]*)*(?:'|\Z)|`(?:[^`]|``)*`", re.DOTALL)
"""A text or a name; one that is cut short ends with its line, or it would be sought in it for hours."""
_WHO = rb"(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\")"
_DEFINER = re.compile(rb" ?DEFINER ?= ?" + _WHO + rb"@" + _WHO)
_SANDBOX = b"/*M!999999"
_COLLATE = re.compile(rb"(?i)\bCOLLATE[ =]+([a-z0-9]+_[a-z0-9_]+)")
_CONNECTION = re.compile(rb"(?i)^(?:/\*!\d+ )?SET collation_connection += '?([a-z0-9]+_[a-z0-9_]+)")


class Reading:
    """A dump that is read to its end.

    tables: the rows of each; whole: whether its last line was the last one; collations: what texts are sorted by in it.
    """

    def __init__(self) -> None:
        self.tables: dict[str, int] = {}
        self.collations: set[str] = set()
        self.whole = False
        self._table = ""

    def see(self, line: bytes) -> None:
        """Take one more line into account, as it ends with its line feed."""
        self.whole = line == WHOLE
        if not self._table:
            self.collations.update(collations(line))
        if line.startswith(_ENDS):
            found = _DATA.match(line)
            self._table = found[1].replace(b"``", b"`").decode() if found else ""
            if self._table:
                self.tables.setdefault(self._table, 0)
        elif self._table:
            self.tables[self._table] += rows(line)

    @property
    def inside(self) -> bool:
        """Tell whether the next line may be a table's rows."""
        return bool(self._table)


def collations(line: bytes) -> "list[str]":
    """Return the collations that a line outside of rows names: MySQL's own are unknown to MariaDB, and its to MySQL."""
    found = _COLLATE.findall(_QUOTED.sub(b"", line)) + _CONNECTION.findall(line)
    return [name.decode().lower() for name in found]


def known(collation: str) -> str:
    """Return a query that a server refuses which does not know the collation."""
    return f"select convert('' using {collation.partition('_')[0]}) collate {collation}"


def unknown(said: str) -> bool:
    """Tell whether a server has refused `known` for what it does not know, and not for something else."""
    return "nknown collation" in said or "nknown character set" in said


def rows(line: bytes) -> int:
    """Return how many rows a line inserts: one or many, after INSERT or in a line that goes on with it."""
    if not line.startswith((b"INSERT", b"(")):
        return 0
    bare = _QUOTED.sub(b"", line)
    return (bare.partition(b"VALUES")[2] if bare.startswith(b"INSERT") else bare).count(b"(")


def portable(line: bytes) -> bytes:
    """Return a line outside of rows as any account of any server takes it: without who defined a view or a trigger.

    The first line of newer programs is one that others do not understand, and says nothing.
    """
    if line.startswith(_SANDBOX):
        return b""
    return _DEFINER.sub(b"", line) if line.startswith((b"CREATE", b"/*!")) else line


def records(tables: "tuple[str, ...]", found: "dict[str, list[list[object]]]") -> bytes:
    """Return the end of a dump: the records, put in place at once. tables: what makes them; found: the rows of each."""
    text = [f"{table};" for table in tables]
    text.append("start transaction;")
    for name in RECORDS:
        text += [f"delete from {name};", f"-- Dumping data for table `{name}`"]  # noqa: S608 - our own tables
        rows_ = [", ".join(_literal(one) for one in row) for row in found[name]]
        text += [f"INSERT INTO {name} VALUES ({row});" for row in rows_]  # noqa: S608 - as above
    text += ["-- the records end here", "commit;"]
    return "\n".join(text).encode() + b"\n" + WHOLE


def _literal(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    return f"_utf8mb4 0x{str(value).encode().hex()}" if value else "''"


def options(given: "dict[str, object]") -> str:
    """Return the text of the file that tells the host's programs where the database is, and who asks."""

    def quoted(value: object) -> str:
        text = str(value)
        for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
            text = text.replace(plain, written)
        return f'"{text}"'

    return "".join(f"{line}\n" for line in ("[client]", *(f"{k}={quoted(given[k])}" for k in _TOLD)))


_TOLD = ("host", "port", "user", "password")
