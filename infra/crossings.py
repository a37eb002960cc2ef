"""What a target remembers of the last upgrade of a database's schema: one small file in the journal's volume."""

from __future__ import annotations

import docker.errors

from crm.crossing import decode, encode
from crm.errors import HostError
from crm.plan import Crossing
from infra import naming
from infra.engine.engine import Engine
from infra.engine.files import Volume
from infra.engine.lock import FOLDER

_FILE = f"{FOLDER}/upgrade.json"
_PLACE = f"/journal/{_FILE}"  # in the container that is the lock


def read(engine: Engine, contract: str) -> Crossing | None:
    """Return the last upgrade, or None; raises HostError when what is written there makes no sense."""
    volume = naming.journal(contract)
    try:
        content = engine.get(Volume(volume), f"/{_FILE}")
    except HostError as error:
        if isinstance(error.__cause__, docker.errors.NotFound):  # no volume: nothing was ever done here
            return None
        raise
    return None if content is None else decode(content, f"{volume}: {_FILE}")


def write(engine: Engine, contract: str, crossing: Crossing | None) -> None:
    """Write it whole or not at all; to be called while the contract's lock is held."""
    lock = naming.lock(contract)
    if crossing is None:
        _must(engine, lock, "rm", "-f", _PLACE)
        return
    engine.put(Volume(naming.journal(contract)), "/", {f"{_FILE}.new": encode(crossing)})
    _must(engine, lock, "mv", "-f", f"{_PLACE}.new", _PLACE)
    _must(engine, lock, "sync", _PLACE)


def _must(engine: Engine, container: str, *argv: str) -> None:
    output = engine.execute(container, argv, timeout=60)
    if output.code != 0:
        raise HostError(f"{container}: {argv[0]} ended with {output.code}: {output.text}", "nothing more was done")
