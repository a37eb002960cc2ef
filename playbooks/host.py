"""One open connection to a host: ask it something, start a program on it, send it files.

What arrives is data: bounded in size and time, and never interpreted here.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from crm.errors import HostError
from playbooks.become import HOME, Rooted, Way
from playbooks.kind import Put
from playbooks.shell import Sh, sh
from playbooks.terminal import safe
from playbooks.wire import Channel, Wire, lost

if TYPE_CHECKING:
    from paramiko import SFTPClient

_END = 40  # bytes; the last line of an answer is shorter
_STDERR_KEPT = 16 * 1024  # bytes; enough to say why something failed


class Stream:
    """A program on the host that is talked to line by line."""

    def __init__(self, name: str, channel: Channel, wire: Wire) -> None:
        self._name = name
        self._channel = channel
        self._wire = wire
        self._errors = wire.errors
        self._rest = b""

    def send(self, data: bytes) -> None:
        """Write to the program's standard input; raises HostError when it is gone."""
        try:
            self._channel.sendall(data)
        except self._errors as error:
            raise lost(self._name, self._wire, error) from error

    def line(self, timeout: float) -> bytes | None:
        """Return the next whole line without its newline, or None at the end; raises TimeoutError, HostError."""
        until = time.monotonic() + timeout
        while b"\n" not in self._rest:
            self._channel.settimeout(max(0.01, until - time.monotonic()))
            try:
                data = self._channel.recv(65536)
            except TimeoutError:
                raise
            except self._errors as error:
                raise lost(self._name, self._wire, error) from error
            if not data:
                if self._wire.gone():
                    raise lost(self._name, self._wire, EOFError("it was cut off"))
                return None
            self._rest += data
            if len(self._rest) > 4 << 20:
                raise HostError(f"{self._name}: a line of more than 4 MiB; what answers there is not crmhost's script")
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def read(self, size: int, timeout: float) -> bytes:
        """Return that many bytes, fewer at the end alone; raises as `some` does."""
        parts, left = list[bytes](), size
        while left > 0 and (data := self.some(left, timeout)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def some(self, size: int, timeout: float) -> bytes:
        """Return what has arrived, at most so many bytes; none at the end. Raises TimeoutError, HostError."""
        if self._rest:
            data, self._rest = self._rest[:size], self._rest[size:]
            return data
        self._channel.settimeout(timeout)
        try:
            data = self._channel.recv(min(size, 1 << 20))
        except TimeoutError:
            raise
        except self._errors as error:
            raise lost(self._name, self._wire, error) from error
        if not data and self._wire.gone():
            raise lost(self._name, self._wire, EOFError("it was cut off"))
        return data

    def end(self) -> None:
        """Close the program's standard input."""
        with contextlib.suppress(*self._errors):
            self._channel.shutdown_write()

    def close(self) -> None:
        """Stop talking to the program."""
        with contextlib.suppress(*self._errors):
            self._channel.close()


class Host:
    """A host that was reached and whose key was verified. A context manager: leaving it closes the connection."""

    def __init__(self, name: str, wire: Wire) -> None:
        self.name = name
        self._wire = wire
        self._home: str | None = HOME if wire.root else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; what runs on the host learns it from its standard input."""
        self._wire.close()

    @property
    def root(self) -> bool:
        """Return whether everything runs there as root."""
        return self._wire.root

    @property
    def way(self) -> Way | None:
        """Return how root was become there; None where it was not, or before anything was asked."""
        return self._wire.way if isinstance(self._wire, Rooted) else None

    @property
    def home(self) -> str:
        """Return the account's home folder, an absolute path; asks once. Root's is the engine's own, if it is there."""
        if self._home is None:
            answer = self.ask(sh('cd && pwd -P && printf "%s" .'))
            self._home = answer.decode("utf-8", "surrogateescape").removesuffix("\n.")
        return self._home

    def ask(self, script: Sh, *, timeout: float = 30.0, limit: int = 1 << 20) -> bytes:
        """Run the script with `sh -s` and return what it printed; what a shell's profile prints is left out.

        timeout: seconds; limit: bytes. Raises HostError when either is exceeded, when the script fails (with the end
        of its standard error) and when the connection is lost. Standard input is empty.
        """
        mark = secrets.token_hex(8)
        until = time.monotonic() + timeout
        errors = bytearray()
        try:
            channel = self._wire.channel(timeout)
            try:
                channel.settimeout(timeout)
                channel.exec_command("sh -s")
                drain = threading.Thread(target=_drain, args=(channel, errors, self._wire.errors), daemon=True)
                drain.start()
                unsent = self._hand_over(channel, _framed(script, mark).encode("utf-8", "surrogateescape"))
                answer = _collect(channel, until, limit)
                if unsent is not None and not answer:
                    raise unsent
            finally:
                channel.close()
        except TimeoutError as error:
            raise HostError(
                f"{self.name}: no answer within {timeout:g} s", "Look at the host's load, or try again."
            ) from error
        except _TooLong as error:
            raise HostError(
                f"{self.name}: the answer is longer than {limit} bytes",
                "What answers there is not what was asked; look at the account's shell profile and disk.",
            ) from error
        except self._wire.errors as error:
            raise lost(self.name, self._wire, error) from error
        drain.join(1.0)
        if f"{mark} ".encode() not in answer[-_END:] and self._wire.gone() is not None:
            raise lost(self.name, self._wire, EOFError("it was cut off"))
        return _unframed(self.name, answer, mark, bytes(errors))

    def _hand_over(self, channel: Channel, script: bytes) -> Exception | None:
        """Send a script; return what went wrong: an account that ends at once may have said why before."""
        try:
            channel.sendall(script)
            channel.shutdown_write()
        except TimeoutError:
            raise
        except self._wire.errors as error:
            return error
        return None

    def start(self, command: Sh) -> Stream:
        """Start a program that is talked to line by line; the command shows in the host's process list."""
        try:
            channel = self._wire.channel(30.0)
            channel.settimeout(30.0)
            channel.exec_command(command.text)
        except self._wire.errors as error:
            raise lost(self.name, self._wire, error) from error
        discard = bytearray()
        threading.Thread(target=_drain, args=(channel, discard, self._wire.errors), daemon=True).start()
        return Stream(self.name, channel, self._wire)

    def files(self, timeout: float = 60.0) -> SFTPClient:
        """Open an SFTP channel of its own for one thread, each of whose answers may take `timeout` seconds."""
        try:
            return self._wire.files(timeout)
        except self._wire.errors as error:
            raise lost(self.name, self._wire, error) from error

    @property
    def up(self) -> bool:
        """Tell whether the connection stands, as far as this end of it knows."""
        return self._wire.gone() is None

    def lost(self, error: Exception) -> HostError:
        """Return what is said of an error that means the connection's end."""
        return lost(self.name, self._wire, error)

    def put(self, puts: Sequence[Put], folder: str, *, timeout: float = 120.0) -> None:
        """Send the files in one pass into a folder that only the account may enter (made when missing).

        Each file is 0600 before its first byte. timeout: seconds that one answer may take. Raises HostError that says
        why the host refused: full, over quota, read-only, not permitted, or cut off.
        """
        if not puts:
            return
        try:
            self._wire.send(puts, folder, timeout)
        except TimeoutError as error:
            raise HostError(f"{self.name}: no answer within {timeout:g} s while files were sent") from error
        except self._wire.errors as error:
            raise self._refused(folder, error) from error

    def _refused(self, folder: str, error: Exception) -> HostError:
        """SFTP says little more than `Failure`; the host's shell knows the reason."""
        try:
            why = self.ask(_why(folder), timeout=10.0, limit=4096).decode("utf-8", "replace").strip()
        except HostError:
            return lost(self.name, self._wire, error)
        return HostError(
            f"{self.name}: cannot write files to {folder}: {safe(why or str(error), 600)}",
            "Free some space or quota on the host, or mend the folder's permissions, and run the same command again.",
        )


class _TooLong(Exception):
    """More bytes than allowed."""


def _why(folder: str) -> Sh:
    return sh(
        "mkdir -p {folder} 2>&1 && head -c 262144 /dev/zero 2>&1 >{probe}; rm -f {probe}; df -Pk {folder} 2>&1; true",
        folder=folder,
        probe=f"{folder}/.crmhost-probe",
    )


def _framed(script: Sh, mark: str) -> str:
    """One compound command: a shell that got only half of it runs none of it, and its parts cannot read the rest."""
    return f"{{\nprintf '\\n%s\\n' {mark}\n(\n{script.text}\n)\nprintf '%s %d\\n' {mark} $?\n}} </dev/null\n"


def _unframed(name: str, answer: bytes, mark: str, errors: bytes) -> bytes:
    start = f"\n{mark}\n".encode()
    begin, end = answer.find(start), answer.rfind(f"{mark} ".encode())
    if begin < 0 or end <= begin:
        shown = safe((answer + errors).decode("utf-8", "replace"), 600)
        raise HostError(
            f"{name}: the account runs no POSIX shell, or it ended early; it answered: {shown!r}",
            "Check that `ssh` to this account can run `sh`.",
        )
    code = int(answer[end + len(mark) + 1 :].split(b"\n", 1)[0] or b"1")
    if code != 0:
        raise HostError(f"{name}: a script ended with {code}: {safe(errors.decode('utf-8', 'replace').strip(), 1000)}")
    return answer[begin + len(start) : end]


def _collect(channel: Channel, until: float, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        data = channel.recv(65536)
        if not data:
            return b"".join(parts)
        parts.append(data)
        size += len(data)
        if size > limit:
            raise _TooLong


def _drain(channel: Channel, kept: bytearray, errors: tuple[type[Exception], ...]) -> None:
    """Read standard error to its end, so that it cannot block the program; keep the last of it."""
    with contextlib.suppress(*errors):
        while True:
            try:
                data = channel.recv_stderr(65536)
            except TimeoutError:
                continue  # the bound is the other reader's; this one waits until the program ends
            if not data:
                return
            kept += data
            del kept[:-_STDERR_KEPT]
