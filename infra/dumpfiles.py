"""The customer's files as a tar stream, and back: tar in a container of its own that has the data volume alone.

It runs as the CRM's own user, so it reads and writes what the CRM could, and ends when our connection does. What comes
back is unpacked into a folder beside and counted there, and only then takes the place of what is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import BinaryIO

from crm.errors import HostError
from infra import naming
from infra.dumpdb import LONGEST, feeding
from infra.engine.engine import Engine
from infra.engine.run import Bind, OneShot, create
from infra.engine.stream import Output, Streams
from infra.naming import DATA_FOLDER

_INCOMING, _OUTGOING = (f"{DATA_FOLDER}/.crmhost-{name}" for name in ("incoming", "outgoing"))
_CHANGED = re.compile(r"tar: .*: (file changed as we read it|File removed before we read it)")
"""What tar says, with the exit code 1, of files that the CRM used meanwhile; what it gives is a whole tar even so."""

_EMPTY = bytes(1024)
"""A tar of nothing."""


class DataVolume:
    """The data volume of one contract, within `reaching`."""

    def __init__(self, engine: Engine, contract: str, container: str) -> None:
        self._engine = engine
        self._contract = contract
        self._container = container

    def tar(self, paths: Sequence[str], sink: BinaryIO) -> None:
        """Write a tar of those paths below the volume's root that are there; raises HostError for a file unread."""
        there = [path for path in paths if self._run("test", "-e", f"{DATA_FOLDER}/{path}").code == 0]
        if not there:
            sink.write(_EMPTY)
            return
        output = self._run("tar", "-C", DATA_FOLDER, "-cf", "-", *there, streams=Streams(out=sink))
        complaints = output.stderr.decode(errors="replace").splitlines()
        if output.code != 0 and not (output.code == 1 and all(_CHANGED.fullmatch(line) for line in complaints)):
            raise self._failed("the files could not be read", output)

    def unpack(self, pieces: Iterator[bytes]) -> None:
        """Unpack a tar beside what is there."""
        self.clear()
        self._must("mkdir", _INCOMING, _OUTGOING)
        with feeding(pieces) as source:
            output = self._run("tar", "-C", _INCOMING, "-xpf", "-", streams=Streams(source))
        if output.code != 0:
            raise self._failed("the files could not be unpacked", output)

    def count(self) -> tuple[int, int]:
        """Return how many files were unpacked, and their bytes; those of one file with two names once."""
        output = self._must("find", _INCOMING, "-type", "f", "-printf", "%i %s\n")
        lines = output.stdout.splitlines()
        sizes = dict(line.split() for line in lines)
        return len(lines), sum(int(size) for size in sizes.values())

    def swap(self, folders: Sequence[str]) -> None:
        """Put what was unpacked in the place of all that is there, with these folders, which a release expects."""
        apart = [word for name in (_INCOMING, _OUTGOING) for word in ("!", "-path", name)]
        one_level = ("-mindepth", "1", "-maxdepth", "1")
        self._must("find", DATA_FOLDER, *one_level, *apart, "-exec", "mv", "-t", _OUTGOING, "{}", "+")
        self._must("find", _INCOMING, *one_level, "-exec", "mv", "-t", DATA_FOLDER, "{}", "+")
        if folders:
            self._must("mkdir", "-p", *(f"{DATA_FOLDER}/{folder}" for folder in folders))
        self.clear()

    def clear(self) -> None:
        """Remove what was unpacked and not put in place, and what was replaced."""
        self._must("rm", "-rf", _INCOMING, _OUTGOING)

    def _must(self, *argv: str) -> Output:
        output = self._run(*argv)
        if output.code != 0:
            raise self._failed("the files could not be put in their place", output)
        return output

    def _run(self, *argv: str, streams: Streams | None = None) -> Output:
        return self._engine.stream(
            self._container, argv, streams or Streams(), timeout=LONGEST, env={"LC_ALL": "C.UTF-8"}
        )

    def _failed(self, what: str, output: Output) -> HostError:
        said = output.stderr.decode(errors="replace").strip()[-1000:] or f"it ended with {output.code}"
        return HostError(
            f"{self._contract}: {what}: {said}",
            f"Has the host's disk room? The files lie in the volume {naming.data(self._contract)}.",
        )


@contextmanager
def reaching(engine: Engine, contract: str) -> Iterator[DataVolume]:
    """Give the data volume; to be called while the contract's lock is held."""
    server = engine.container(naming.database(contract))
    if server is None:
        raise HostError(
            f"{contract}: there is no {naming.database(contract)} on the host", f"crmhost deploy {contract}"
        )
    spec = OneShot(
        f"{naming.data(contract)}-mover",
        server.image,
        ("cat",),
        naming.labels(contract, "mover"),
        binds=(Bind(naming.data(contract), DATA_FOLDER),),
        memory_mb=256,
    )
    engine.remove(spec.name)
    with engine.asking(spec.name):
        container = create(engine.client, spec, auto_remove=True)
    try:
        with closing(engine.attach(container)):
            engine.start(container)
            yield DataVolume(engine, contract, container)
    finally:
        engine.remove(container)
