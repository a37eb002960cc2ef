"""Holding a contract's lock on a host, and doing things under it. `playbooks.keeper` is the other end."""

from __future__ import annotations

import base64
import contextlib
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from crm.driver import Progress
from crm.errors import HostError, LockHeld
from crm.plan import Event
from playbooks import keeper
from playbooks.holder import decoded, holder
from playbooks.host import Host, Stream
from playbooks.journal import parse, quoted
from playbooks.keeper import Operation
from playbooks.kind import Put
from playbooks.shell import Sh
from playbooks.terminal import safe, safe_line

_ENDING = 10.0  # seconds that the keeper has for saying farewell


@dataclass(frozen=True, slots=True)
class Output:
    """What a step did: its exit code, and the end of what it printed (both streams, at most 64 KiB)."""

    code: int
    text: str


@contextlib.contextmanager
def lock(host: Host, contract: str, doing: str, who: str, *, silence: int = 45, beat: float = 5.0) -> Iterator[Session]:
    """Hold the contract's lock on the host while the block runs.

    doing: what others are told, such as `deploy creme-2.8.6`; who: `user@machine`. silence: seconds without a sign of
    life after which the host ends the operation by itself; beat: seconds between two signs. Raises LockHeld naming
    holder and step, and HostError when the host cannot be locked at all.
    """
    operation = Operation(contract, secrets.token_hex(4), secrets.token_hex(8), who, doing, silence)
    stream = host.start(keeper.BOOT)
    try:
        with contextlib.suppress(HostError):  # an account without a shell ends at once; what it said is read next
            stream.send(_encoded(keeper.keeper(operation, root=host.root).text) + b"\n")
        session = Session(host, operation, stream, staging=_locked(host, operation, stream))
    except BaseException:
        stream.close()
        raise
    stop = threading.Event()
    pulse = threading.Thread(target=_beat, args=(session, stop, beat), daemon=True)
    pulse.start()
    try:
        yield session
    finally:
        stop.set()
        session.leave()


class Session:
    """The lock, held. Batches and steps run one at a time, each as a job that inherits the lock."""

    def __init__(self, host: Host, operation: Operation, stream: Stream, *, staging: str) -> None:
        self.host = host
        self.operation = operation
        self.staging = staging
        self._stream = stream
        self._sending = threading.Lock()
        self._jobs = 0
        self._given_up: HostError | None = None
        """Why this operation is over; nothing is sent any more, so nobody waits for an answer a second time."""

    def batch(
        self,
        script: Sh,
        puts: Sequence[Put] = (),
        *,
        progress: Progress | None = None,
        phase: str = "stage",
        timeout: float = 1800.0,
    ) -> tuple[Event, ...]:
        """Send the files to the staging folder, run the script of a batch, and return its events.

        Raises HostError when an act fails, naming it and the end of what it printed; those before it are done.
        """
        names = [put.name for put in puts]
        if len(set(names)) != len(names):
            raise ValueError("two files of a batch have one name in the staging folder")
        self._bring(puts)
        self._jobs += 1
        self._start("safe", keeper.batch(self.operation, self._jobs, phase, script))
        events: list[Event] = []
        output = self._follow(phase, timeout, progress, events)
        if output.code != 0:
            failed = events[-1].subject if events else "the batch"
            said = safe(output.text.strip()) or "it said nothing"
            raise HostError(
                f"{self.host.name}: {failed} failed with exit code {output.code}: {said}",
                "Mend what it complains of and run the same command again; what was done before it is kept.",
            )
        return tuple(events)

    def run(
        self,
        name: str,
        script: Sh,
        *,
        stdin: bytes = b"",
        safe: bool,
        timeout: float = 600.0,
        progress: Progress | None = None,
    ) -> Output:
        """Run one step and return what it printed; a failing exit code is the caller's to judge.

        stdin: what it reads, over the connection alone, so secrets may be in it. safe: it may be killed; one that is
        not finishes even when this process dies, and holds the lock as long. Raises HostError when it does not end
        within `timeout` seconds (a safe one is ended then), was killed on the host, or the connection is lost.
        """
        self._jobs += 1
        body = keeper.step(self.operation, self._jobs, name, script, safe=safe)
        self._start("safe" if safe else "unsafe", body, stdin)
        return self._follow(name, timeout, progress, [])

    def say(self, step: str) -> None:
        """Tell those who find the lock held what is being done."""
        self._send(b"step " + _encoded(quoted(step)) + b"\n")

    def journal(self, event: Event) -> None:
        """Append an event to the journal on the host, by the host's clock."""
        words = [_encoded(quoted(event.phase)), _encoded(quoted(event.subject))]
        self._send(b" ".join((b"journal", event.state.encode(), *words)) + b"\n")

    def beat(self) -> None:
        """Show that this process lives."""
        self._send(b"beat\n")

    def leave(self) -> None:
        """Give the lock back; returns once the host's keeper is gone, or after some seconds without it."""
        with contextlib.suppress(HostError, TimeoutError):
            self._send(b"bye\n")
            self._stream.end()
            until = time.monotonic() + _ENDING
            while self._stream.line(max(0.1, until - time.monotonic())) is not None:
                pass
        self._stream.close()

    def _bring(self, puts: Sequence[Put]) -> None:
        """Send the files; after a silence as long as that which ends the operation on the host, it is over here too."""
        self._check()
        try:
            self.host.put(puts, self.staging, timeout=float(self.operation.silence))
        except HostError as error:
            if not error.remedy:  # it was silent
                raise self._over(error.what) from error
            if self.host.up:  # it has said why
                raise
            raise self._over(f"{error.what}, while files were sent") from error

    def _start(self, mode: str, body: Sh, stdin: bytes = b"") -> None:
        words = (b"run", str(self._jobs).encode(), mode.encode(), _encoded(body.text), base64.b64encode(stdin))
        self._send(b" ".join(words) + b"\n")

    def _check(self) -> None:
        if self._given_up is not None:
            raise HostError(self._given_up.what, self._given_up.remedy)

    def _send(self, line: bytes) -> None:
        self._check()
        with self._sending:
            self._stream.send(line)

    def _follow(self, name: str, timeout: float, progress: Progress | None, events: list[Event]) -> Output:
        """Read the keeper's lines until the running job has ended."""
        until = time.monotonic() + timeout
        job, started = str(self._jobs), False
        begun: dict[str, datetime] = {}
        while True:
            verb, words = self._next(name, until, timeout)
            if verb == "started":
                started = words[:1] == [job]
            elif verb == "exit" and words[:1] == [job]:
                return Output(int(words[1]), decoded(words[2] if len(words) > 2 else ""))
            elif verb == "note":
                self._note(" ".join(words), begun, events, progress)
            elif verb == "full":
                why = safe(decoded(words[0]).strip(), 400)
                raise HostError(
                    f"{self.host.name}: cannot write below {_place(self.host, self.operation)}: {why}",
                    "Free some space or quota there and run the same command again.",
                )
            elif verb == "beat" and started and words[:1] != [job]:
                raise HostError(
                    f"{self.host.name}: {safe_line(name)} was killed on the host",
                    "Run the same command again; the host's own log may say who ended it.",
                )

    @staticmethod
    def _note(text: str, begun: dict[str, datetime], events: list[Event], progress: Progress | None) -> None:
        """Turn a line of the journal into an event; how long it took is by the host's clock."""
        entry = parse(text.encode())
        if entry is None:
            return
        event = entry.event
        if entry.state == "begin":
            begun[entry.subject] = entry.at
        elif entry.subject in begun:
            event = replace(event, seconds=max(0.0, (entry.at - begun[entry.subject]).total_seconds()))
        events.append(event)
        if progress is not None:
            progress(event)

    def _next(self, name: str, until: float, timeout: float) -> tuple[str, list[str]]:
        left = until - time.monotonic()
        if left <= 0:
            self._send(b"stop\n")
            raise HostError(
                f"{self.host.name}: {safe_line(name)} did not end within {timeout:g} s",
                "If it is safe to end it was ended; otherwise it goes on and holds the lock until it ends.",
            )
        try:
            line = self._stream.line(min(left, float(self.operation.silence)))
        except TimeoutError:
            if left > self.operation.silence:
                raise self._over(
                    f"{self.host.name}: silent for {self.operation.silence} s during {safe_line(name)}"
                ) from None
            return "", []
        if line is None:
            raise self._over(f"{self.host.name}: the connection ended during {safe_line(name)}")
        return _answer(self.operation, line)

    def _over(self, what: str) -> HostError:
        """Return why this operation is over, for good."""
        self._given_up = HostError(what, "The host ends what it was doing by itself; run the same command again.")
        return self._given_up


def _place(host: Host, operation: Operation) -> str:
    """Return the contract's folder on the host, as errors name it."""
    return f"{host.home if host.root else '~'}/{operation.folder}"


def _beat(session: Session, stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        try:
            session.beat()
        except HostError:
            return  # whoever waits for an answer reports it


def _locked(host: Host, operation: Operation, stream: Stream) -> str:
    """Wait for the keeper's first word; return the staging folder's absolute path."""
    until = time.monotonic() + 30.0
    noise = b""
    while True:
        try:
            line = stream.line(max(0.1, until - time.monotonic()))
        except TimeoutError:
            raise HostError(f"{host.name}: no answer to the request for the lock within 30 s") from None
        if line is None:
            shown = safe_line(noise.decode("utf-8", "replace"), 400)
            raise HostError(
                f"{host.name}: the account runs no POSIX shell, or it ended early; it answered: {shown!r}",
                "Check that `ssh` to this account can run `sh`.",
            )
        noise = (noise + line + b"\n")[-1000:]
        verb, words = _answer(operation, line)
        if verb == "locked":
            return decoded(words[0])
        if verb == "held":
            raise LockHeld(
                f"{host.name}: somebody is at work on {operation.contract}: {holder(*words)}",
                "Wait until it ends; when its process is dead, the host frees the lock within a minute.",
            )
        if verb == "lacks":
            raise HostError(f"{host.name}: has no `{safe_line(words[0])}`", "Ask the host's owner to install it.")
        if verb == "refused":
            raise HostError(
                f"{host.name}: cannot lock {_place(host, operation)}: {safe(decoded(words[0]), 400)}",
                "Free some space or quota there, or mend the folder's permissions.",
            )


def _answer(operation: Operation, line: bytes) -> tuple[str, list[str]]:
    """Split a line of the keeper's; one without the nonce is noise."""
    nonce, _, rest = line.decode("utf-8", "replace").partition(" ")
    if nonce != operation.nonce:
        return "", []
    verb, *words = rest.split(" ")
    return verb, words


def _encoded(text: str) -> bytes:
    return base64.b64encode(text.encode("utf-8", "surrogateescape"))
