"""What steps that failed have printed, kept in the journal's volume: one line of JSON each, the last of them only.

A step's container is removed once its end is known, and its own log with it. Secrets are masked before they come here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import docker.errors

from crm.errors import HostError
from infra import naming
from infra.engine.engine import Engine
from infra.engine.files import Volume
from infra.engine.lock import FOLDER

PROCESS = "steps"
"""What it is called where logs are asked for by the names of processes."""
KEPT = 20
"""Steps whose output is kept, as on web hosts."""
LONGEST = 1 << 20
"""Characters that are kept of one step's output: its end."""
_PATH = f"{FOLDER}/steps"


@dataclass(frozen=True, slots=True)
class Failed:
    """One step that failed. at: the host's time; how: in a few words; text: all that it printed, masked."""

    at: str
    step: str
    release: str
    how: str
    text: str = field(repr=False)


def keep(engine: Engine, contract: str, failed: Failed) -> bool:
    """Keep it on the host, readable by nobody but root and crmhost's user; returns whether the host did keep it.

    To be called while the lock is held. A host that is in trouble must not hide what the step has said.
    """
    try:
        engine.put(Volume(naming.journal(contract)), "/", {_PATH: appended(_read(engine, contract), failed)})
    except HostError:
        return False
    return True


def kept(engine: Engine, contract: str) -> tuple[Failed, ...]:
    """Return what is kept, the oldest first."""
    return tuple(parse(_read(engine, contract)))


def shown(failed: tuple[Failed, ...]) -> Iterator[str]:
    """Yield the lines of it for people. Pure."""
    for each in failed:
        yield f"{each.at} {each.step}, {each.release}: {each.how}"
        yield from each.text.splitlines()


def appended(content: bytes, failed: Failed) -> bytes:
    """Return the file with one more. Pure."""
    entries = [*parse(content), Failed(failed.at, failed.step, failed.release, failed.how, failed.text[-LONGEST:])]
    return b"".join(json.dumps(asdict(each)).encode() + b"\n" for each in entries[-KEPT:])


def parse(content: bytes) -> Iterator[Failed]:
    """Yield what a file holds; a line that is none of crmhost's is left out. Pure."""
    for line in content.splitlines():
        failed = None
        with contextlib.suppress(ValueError, TypeError):
            failed = Failed(**json.loads(line))
        if failed is not None:
            yield failed


def _read(engine: Engine, contract: str) -> bytes:
    """Return the file; empty where there is none yet, or no journal."""
    try:
        return engine.get(Volume(naming.journal(contract)), f"/{_PATH}") or b""
    except HostError as error:
        if isinstance(error.__cause__, docker.errors.NotFound):
            return b""
        raise
