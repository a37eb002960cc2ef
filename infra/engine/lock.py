"""The lock of a contract on its engine: a container whose standard input is ours, so that it ends when we do.

Its name is what excludes others: an engine makes only one of a name. A holder that was killed closes its connection,
one that froze or lost its network falls silent, and both end the container. A step that is still running holds the lock
as well, whoever started it: nobody may meet it half done.
"""

from __future__ import annotations

import contextlib
import json
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from importlib import resources

import docker.errors

from crm.errors import CrmhostError, HostError, LockHeld
from crm.plan import Event
from infra import naming
from infra.engine.engine import Engine
from infra.engine.files import Volume
from infra.engine.run import Bind, OneShot, create
from infra.engine.seen import SeenContainer
from infra.engine.stream import Stream

SILENCE = 45
"""Seconds without a sign of life after which a holder has lost the lock."""
BEAT = 10.0
UNBORN = 60.0
"""Seconds after which a lock that was made and never started belongs to a holder that died in between."""
LABEL_DOING, LABEL_WHO = "crmhost.doing", "crmhost.who"
FOLDER = "log"
_FAREWELL = 10.0
"""Seconds within which the host has written the last lines."""
_JOURNAL = "/journal"
_TAIL = 50
_ALIVE = frozenset({"running", "paused", "restarting"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What is locked. name: of the container. image: any with `sh` and `timeout`. journal: a volume, or none."""

    name: str
    image: str
    labels: Mapping[str, str]
    doing: str
    who: str
    journal: str | None = None
    steps: str | None = None  # the container of a step, which holds the lock by itself while it runs
    subject: str = ""
    silence: int = SILENCE


@contextmanager
def lock(engine: Engine, contract: str, doing: str, who: str, *, image: str) -> Iterator[Held]:
    """Hold the contract's lock; raises LockHeld, naming holder, what it does and its step.

    image: any that the engine has, with `sh` and `timeout` in it.
    """
    volume = naming.journal(contract)
    _make_journal(engine, contract, volume)
    labels = naming.labels(contract, "lock")
    claim = Claim(naming.lock(contract), image, labels, doing, who, volume, naming.step(contract), contract)
    with hold(engine, claim) as held:
        yield held


@contextmanager
def hold(engine: Engine, claim: Claim) -> Iterator[Held]:
    """Hold any lock; raises LockHeld."""
    container = _claimed(engine, claim)
    try:
        held = Held(claim, engine.attach(container))
    except BaseException:
        engine.remove(container)
        raise
    try:
        engine.start(container)
        held.begin()
        _refuse_running_step(engine, claim)
        yield held
    finally:
        held.end()
        engine.remove(container)


class Held:
    """A lock that we hold. Its heart beats in a thread of its own."""

    def __init__(self, claim: Claim, stream: Stream, clock: Callable[[], float] = time.time) -> None:
        self._claim, self._stream, self._clock = claim, stream, clock
        self._writing = threading.Lock()
        self._ending = False
        self._lost = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="lock", daemon=True)

    def begin(self) -> None:
        """Write who does what, and start beating."""
        self._line({"who": self._claim.who, "doing": self._claim.doing})
        self._heart.start()

    def check(self) -> None:
        """Raise HostError if the lock was lost; asked before whatever changes the host."""
        if self._lost.is_set():
            raise HostError(
                f"{self._claim.subject or self._claim.name}: the lock was lost while {self._claim.doing} was under way"
                " (the connection broke, or this machine slept); nothing more was done",
                "The same command again finishes it.",
            )

    def journal(self, event: Event) -> None:
        """Append an event; raises HostError if the lock was lost."""
        self._line({key: value for key, value in asdict(event).items() if value not in ("", None)})

    def step(self, name: str) -> None:
        """Say which step runs from now on, for whoever meets the lock; empty: none."""
        self._line({"step": name})

    def end(self) -> None:
        """Give the lock up, once the last lines are in the journal."""
        self._ending = True
        self._stream.end_input()
        if self._heart.is_alive():
            self._heart.join(_FAREWELL)
        self._stream.close()

    def _line(self, what: Mapping[str, object]) -> None:
        at = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        self._send(json.dumps({"at": at.replace("+00:00", "Z"), **what}, ensure_ascii=True))
        self.check()

    def _send(self, text: str) -> None:
        try:
            with self._writing:
                self._stream.line.sendall(text.encode() + b"\n")
        except OSError:
            self._lost.set()

    def _beat(self) -> None:
        """Send a sign of life now and then, and notice at once when the container ends."""
        try:
            while True:
                ready, _, _ = select.select([self._stream.line], [], [], BEAT)
                if ready and not self._stream.line.recv(1 << 16):
                    break
                if not ready:
                    self._send("")
        except (OSError, ValueError):  # the connection broke, or we closed it
            pass
        if not self._ending:
            self._lost.set()


def journal(engine: Engine, contract: str) -> tuple[dict[str, object], ...]:
    """Return the journal's entries, oldest first; lines that a crash tore are left out. Empty where there is none."""
    volume = Volume(naming.journal(contract))
    try:
        texts = [engine.get(volume, f"/{FOLDER}/{name}") for name in ("journal.1", "journal")]
    except HostError as error:
        if isinstance(error.__cause__, docker.errors.NotFound):
            return ()
        raise
    found = []
    for line in b"".join(text for text in texts if text).splitlines():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                found.append(entry)
    return tuple(found)


def holder(engine: Engine, contract: str) -> str | None:
    """Return who is at work on the contract and with what, or None."""
    for name in (naming.lock(contract), naming.step(contract)):
        there = engine.container(name)
        if there is not None and there.running:
            return _described(engine, there)
    return None


def _claimed(engine: Engine, claim: Claim) -> str:
    """Return the id of the lock's container, made and not yet started."""
    until = time.monotonic() + _FAREWELL
    while True:
        try:
            with engine.asking(claim.name):
                return create(engine.client, _keeper(claim), auto_remove=True)
        except HostError as error:
            if not _taken(error):
                raise
        there = engine.container(claim.name)
        if there is not None and (there.state in _ALIVE or not _stale(engine, there)):
            raise LockHeld(
                f"{claim.subject or claim.name}: {_described(engine, there)}",
                "Wait until that has ended, then the same command again; a holder that died frees it within a minute.",
            )
        if there is not None:
            engine.remove(there.id)
        if time.monotonic() > until:
            raise HostError(f"{claim.name}: the engine neither makes it nor shows it", f"docker rm -f {claim.name}")


def _keeper(claim: Claim) -> OneShot:
    script = resources.files("infra.engine.onhost").joinpath("lock.sh").read_text("utf-8")
    where = [] if claim.journal is None else [f"{_JOURNAL}/{FOLDER}/journal"]
    return OneShot(
        claim.name,
        claim.image,
        ("sh", "-c", script, "lock.sh", str(claim.silence), *where),
        {**claim.labels, LABEL_DOING: claim.doing, LABEL_WHO: claim.who},
        binds=() if claim.journal is None else (Bind(claim.journal, _JOURNAL),),
        memory_mb=32,
        cpus="0.5",
    )


def _taken(error: HostError) -> bool:
    cause = error.__cause__
    return isinstance(cause, docker.errors.APIError) and cause.status_code == HTTPStatus.CONFLICT


def _stale(engine: Engine, there: SeenContainer) -> bool:
    """Tell whether a lock that does not run is a dead one's: it has ended, or was made long ago and never started."""
    if there.state != "created":
        return True
    now = engine.now()
    return (now - there.created).total_seconds() > UNBORN


def _described(engine: Engine, there: SeenContainer) -> str:
    who = there.labels.get(LABEL_WHO, "somebody")
    doing, step = there.labels.get(LABEL_DOING, ""), there.labels.get(naming.LABEL_STEP, "")
    with contextlib.suppress(CrmhostError):
        for line in engine.logs(there.id, _TAIL).splitlines():
            with contextlib.suppress(ValueError, AttributeError):
                step = json.loads(line).get("step", step)
    what = ", ".join(filter(None, (doing, f"step {step}" if step else "")))
    said = f"{who} is at work ({what or there.name})"
    return "".join(letter if letter.isprintable() else "?" for letter in said)


def _refuse_running_step(engine: Engine, claim: Claim) -> None:
    if claim.steps is None:
        return
    there = engine.container(claim.steps)
    if there is not None and there.state in {"running", "paused"}:
        raise LockHeld(
            f"{claim.subject}: {_described(engine, there)}; whoever started it is gone, and it still runs",
            f"Wait until it has ended ({claim.steps}), then the same command again.",
        )


def _make_journal(engine: Engine, contract: str, volume: str) -> None:
    """Make the journal's volume, and the folder in it that the lock's user may write to.

    The folder is made each time, since a kill may have come between the two; what is in it stays.
    """
    with engine.asking(volume):
        try:
            engine.client.inspect_volume(volume)
        except docker.errors.NotFound:
            engine.make_volume(volume, naming.labels(contract, "journal"))
    engine.put(Volume(volume), "/", {f"{FOLDER}/.owner": b""})
