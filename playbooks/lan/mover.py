"""Moving a customer's data on a server, under the lock; see `crm.driver.Mover`.

PostgreSQL's own programs make and restore the dump, as the customer's user: what a customer has put into his database
never runs with more rights. What comes back is restored beside what is there and counted; only then it takes its
place.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from crm.backup import Contents, check_counts
from crm.bundle import POSTGRESQL, Reader, Writer
from crm.errors import HostError
from crm.pgstream import SCRIPT, Counted, DatabaseDump, counted
from crm.plan import Crossing, Release, Want
from crm.recipe import BackupSet
from crm.sql import script
from playbooks import converge
from playbooks.kept import maker
from playbooks.kind import Resource
from playbooks.kinds.pgdatabase import PgDatabaseKind, PgDatabaseWanted
from playbooks.kinds.postgres import identifier, tell
from playbooks.lan.asuser import PYTHON, before, pg_restore, psql
from playbooks.mover.copying import answer, data
from playbooks.mover.talk import Talk, talking
from playbooks.observe import observe
from playbooks.programs import program
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe

if TYPE_CHECKING:
    from playbooks.lan.work import LanWork

_LONGEST = 3600.0
_CODE = b"crmhost: code "


class LanMover:
    """What moves one contract's data: to another schema, into a backup, and back from one."""

    def __init__(self, work: LanWork) -> None:
        self._work = work
        self._layout = work.layout
        self._session = work.session
        self._incoming = f"{work.layout.user}_incoming"
        self._folder = f"{work.layout.data}/.crmhost-incoming"

    def mark(self, crossing: Crossing | None) -> None:
        """Let the server remember where an upgrade is."""
        self._work.remember(crossing)

    def close(self, want: Want) -> None:
        """Show customers the maintenance page instead of the CRM."""
        self._work.close(want)

    def open(self, want: Want) -> None:
        """Let customers in again."""
        self._work.open(want)

    def fetch(self, want: Want) -> None:
        """Bring the release's artifact and files to the server, beside what serves."""
        self._work.fetch(want)

    def halt(self, want: Want, kept: Release | None = None) -> None:
        """End every process of every release, and leave one release ready for its steps; the database is up."""
        self._work.halt(want, kept)

    def owner(self) -> Release | None:
        """Return the release whose data is there."""
        place = self._work.place()
        return maker(place.kept, place.serving, self._work.records()) if place.kept else None

    def dump(self, want: Want, sink: BinaryIO) -> Contents:
        """Write all of the customer's data to the stream; the CRM may run meanwhile.

        The database is one snapshot, and its rows are counted in the same one; files are read after it.
        """
        what, writer = want.recipe.backup, Writer(sink)
        for name in what.keys:
            writer.key(name, want.secrets[name])
        found = self._dump(writer) if what.database else Counted({}, "")
        files = self._store("dump", "", "", self._layout.data, *what.paths)
        with self._talking("the files could not be read", files) as talk:
            answer(talk, self._contract)
            for _ in talk.part():
                pass
            data(talk, writer)
        return writer.end(self._contract, found.tables, found.server)

    def load(self, want: Want, source: BinaryIO) -> Contents:
        """Replace the customer's data by what the stream holds; every process has been ended before.

        Where a count differs from what was dumped, or anything fails, nothing has changed. Killed while it takes the
        place of what is there, the same call again makes it whole.
        """
        what = want.recipe.backup
        try:
            found = self._beside(what, source)
        except BaseException:
            with contextlib.suppress(HostError):  # what failed is what is told
                self._job("clear", lines(sh("rm -rf {folder}", folder=self._folder), tell(self._gone())))
            raise
        if what.database:
            name, mine = identifier(self._incoming), identifier(self._layout.user)
            swap = f"DROP DATABASE IF EXISTS {mine} WITH (FORCE);\nALTER DATABASE {name} RENAME TO {mine};"
            self._job("put the database in place", tell(swap))
        folders = want.recipe.folders
        put = self._store("swap", self._folder, "", self._layout.data, *folders)
        self._job("put the files in place", lines(put, self._as_user(sh("rm -rf {folder}", folder=self._folder))))
        return found

    @property
    def _contract(self) -> str:
        return self._layout.contract

    def _dump(self, writer: Writer) -> Counted:
        text = sh("printf %s {text} | {psql}", text=SCRIPT, psql=self._words(*psql(self._layout, self._port())))
        with self._talking("the database could not be dumped", text) as talk, talk.raw() as stream:
            dump = DatabaseDump(stream)
            writer.database(dump.pieces())
            if not dump.whole:
                raise self._failed("the database could not be dumped")
        return dump.counted

    def _beside(self, what: BackupSet, source: BinaryIO) -> Contents:
        """Restore everything beside what is there and return its counts; raises where they are not the dumped ones."""
        reader = Reader(source)
        reader.keys()
        found = self._restore(reader.database(POSTGRESQL)) if what.database else Counted({}, "")
        load = lines(self._as_user(sh("rm -rf {folder}", folder=self._folder)), self._store("load", self._folder))
        with self._talking("the files could not be restored", load) as talk:
            talk.tell(iter(()))
            talk.tell(reader.data())
            _, expected = reader.end()
            told = answer(talk, self._contract)
        contents = Contents(found.tables, int(told["files"]), int(told["bytes"]), expected.keys, expected.database)
        check_counts(self._contract, expected, contents)
        return contents

    def _restore(self, dump: Iterator[bytes]) -> Counted:
        """Restore the dump into a database of its own, as the customer's user, and count it there."""
        database = Resource(PgDatabaseKind(), self._incoming, PgDatabaseWanted(self._layout.user))
        self._job("begin the incoming database", tell(self._gone()))
        converge.apply(self._session, [database], observe(self._session.host, [database]).seen, lambda _: None)
        port = self._port()
        *words, _ = pg_restore(self._layout, port)
        restore = sh(
            "c=0; {words} || c=$?\nprintf '{code}%d\\n' \"$c\"",
            words=self._words(*words, f"--dbname={self._incoming}"),
            code=Sh(_CODE.decode()),
        )
        with self._talking("the dump could not be restored", restore) as talk:
            for piece in dump:
                self._feed(talk, piece)
            talk.end()
            said = talk.raw().read()
        if not said.endswith(_CODE + b"0\n"):
            raise self._failed("the dump could not be restored")
        asks = self._words(*psql(self._layout, port), f"--dbname={self._incoming}")
        count = sh(
            "printf %s {count} | {psql}\nprintf %s {forget} | {psql} --set=release=",
            count=script("count"),
            forget=script("forget"),
            psql=asks,
        )
        with self._talking("the rows could not be counted", count) as talk:
            line = io.BytesIO(talk.raw().read()).readline()
        try:
            return counted(line)
        except ValueError as error:
            raise self._failed("the rows could not be counted") from error

    def _feed(self, talk: Talk, piece: bytes) -> None:
        try:
            talk.send(piece)
        except HostError as error:  # it has ended, and its log says why
            raise self._failed("the dump could not be restored") from error

    def _port(self) -> str:
        cluster = self._work.place().server.cluster
        if cluster is None:
            raise HostError(f"{self._contract}: the server has no PostgreSQL", f"crmhost deploy {self._contract}")
        return cluster[2]

    def _gone(self) -> str:
        return f"DROP DATABASE IF EXISTS {identifier(self._incoming)} WITH (FORCE);"

    def _store(self, *args: str) -> Sh:
        python = self._words(*before(self._layout, "/", folder="/"), PYTHON)
        return program("store", python, *args)

    def _as_user(self, command: Sh) -> Sh:
        return sh("{words} {command}", words=self._words(*before(self._layout, "/", folder="/")), command=command)

    @staticmethod
    def _words(*words: str) -> Sh:
        return sh("{words}", words=words)

    def _talking(self, what: str, command: Sh) -> contextlib.AbstractContextManager[Talk]:
        return talking(self._session.host, f"{self._contract}: {what}", command, self._log)

    def _job(self, name: str, command: Sh) -> None:
        output = self._session.run(name, lines(sh("set -e"), command), safe=True, timeout=_LONGEST)
        if output.code != 0:
            raise HostError(
                f"{self._contract}: {name}: exit {output.code}: {safe(output.text.strip()[-1000:])}",
                "Mend it and give the same command again.",
            )

    @property
    def _log(self) -> str:
        return self._layout.process_log("steps")

    def _failed(self, what: str) -> HostError:
        said = self._session.host.ask(sh("tail -n 5 -- {log} 2>/dev/null || true", log=self._log))
        return HostError(
            f"{self._contract}: {what}: {safe(said.decode(errors='replace').strip()[-1000:])}",
            f"Is PostgreSQL up, and has the server's disk room? crmhost status {self._contract}",
        )
