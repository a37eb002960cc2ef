"""All of a customer's data as one stream, and back. What the stream looks like says `crm.bundle`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import BinaryIO

from crm.backup import Contents, check_counts
from crm.bundle import POSTGRESQL, Reader, Writer
from crm.errors import CrmhostError
from crm.pgstream import Counted
from crm.recipe import BackupSet
from infra import dumpdb, dumpfiles
from infra.engine.engine import Engine
from infra.pipe import piped


def dump(engine: Engine, contract: str, what: BackupSet, keys: Mapping[str, str], sink: BinaryIO) -> Contents:
    """Write the customer's data to the sink: secrets, database, files; to be called while the lock is held.

    The CRM may run meanwhile. The database is one snapshot, and its rows are counted in the same one. Files are read
    after it, so every file that a row of it speaks of is there unless it was deleted since.
    """
    writer = Writer(sink)
    for name in what.keys:
        writer.key(name, keys[name])
    counted = Counted({}, "")
    if what.database:
        with dumpdb.dumping(engine, contract) as database:
            writer.database(database.pieces())
        counted = database.counted
    if what.paths:
        with dumpfiles.reaching(engine, contract) as volume, piped(partial(volume.tar, what.paths)) as pipe:
            writer.data(pipe.reader)
    return writer.end(contract, counted.tables, counted.server)


def load(engine: Engine, contract: str, what: BackupSet, source: BinaryIO, folders: Sequence[str] = ()) -> Contents:
    """Replace the customer's data by what the source holds; to be called while the lock is held and no process runs.

    Everything is restored beside what is there, and counted; where a count differs from what was dumped, or anything
    fails, nothing has changed. Only then it takes the place of what is there, with empty `folders` that the recipe
    wants. Killed while that is done, the same call again makes it whole.
    Secrets are passed over: `crm.bundle.read_keys`.
    """
    with dumpfiles.reaching(engine, contract) as volume:
        try:
            found = _beside(engine, contract, what, source, volume)
        except BaseException:
            with contextlib.suppress(CrmhostError):  # what failed is what is told
                volume.clear()
                dumpdb.clear(engine, contract)
            raise
        if what.database:
            dumpdb.swap(engine, contract)
        if what.paths:
            volume.swap(folders)
    return found


def _beside(engine: Engine, contract: str, what: BackupSet, source: BinaryIO, volume: dumpfiles.DataVolume) -> Contents:
    """Restore everything beside what is there and return its counts; raises where they are not the dumped ones."""
    reader = Reader(source)
    reader.keys()
    if what.database:
        dumpdb.restore(engine, contract, reader.database(POSTGRESQL))
    volume.unpack(reader.data())
    _, expected = reader.end()
    files, size = volume.count()
    tables = dumpdb.count(engine, contract, dumpdb.INCOMING).tables if what.database else {}
    found = Contents(tables, files, size, expected.keys, expected.database)
    check_counts(contract, expected, found)
    return found
