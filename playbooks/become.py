"""Working as root on a host, as an account that may: it is root, or sudo lets it, with or without its password.

`playbooks.rootcommand` has the command. The first program on a wire finds out which way it is. What it reads is sent
right behind, without waiting for the answer, which saves a round trip; where sudo turns out to want the password, that
program has ended without reading any of it, and is started once more with the password: then the answer comes first.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, cast, get_args

from crm.errors import HostError
from playbooks.keys import Phrase
from playbooks.kind import Put
from playbooks.rootcommand import HOME, Way, command
from playbooks.sending import send
from playbooks.sudo import NoRoot, refusal, wants_password
from playbooks.wire import Channel, Wire

__all__ = ["HOME", "Become", "Passwords", "Rooted", "Way", "no_password"]

Passwords: TypeAlias = Callable[[str], Phrase | None]
"""Returns the password that sudo wants on a host, called by its name; None where nobody knows it. Asked only then."""

_LONGEST = 1 << 20  # bytes that a profile may print before the answer
_REASON = 16 * 1024  # bytes
_AHEAD = 1 << 20  # bytes that are sent to the first program before it is known whether it is root's


def no_password(_host: str) -> None:
    """Know no password."""


@dataclass(frozen=True, slots=True)
class Become:
    """The wish to work as root on a host. passwords: where sudo's comes from, should it want one."""

    passwords: Passwords = no_password


class Rooted:
    """A wire to a host on which every program is root's. name: the host, as errors and passwords have it."""

    root = True

    def __init__(self, name: str, wire: Wire, become: Become) -> None:
        self.name = name
        self.errors = wire.errors
        self.wire = wire
        self.way: Way | None = None
        self.phrase: Phrase | None = None
        self.finding_out = threading.RLock()
        self.first: _Channel | None = None
        """The program that finds the way out and has not been asked yet; no other one is started meanwhile."""
        self.refused: HostError | None = None
        """Why the first program was not root's; it is not tried again, since hosts count wrong passwords."""
        self._become = become

    def channel(self, timeout: float) -> Channel:
        """Open a channel."""
        return _Channel(self, timeout)

    def send(self, puts: Sequence[Put], folder: str, timeout: float) -> None:
        """Write the files as root; raises OSError for what the host refused."""
        send(self, puts, folder, timeout)

    def files(self, timeout: float) -> NoReturn:  # noqa: ARG002 -- a Wire's signature
        """Refuse: SFTP is the account's own, never root's."""
        raise ValueError(f"{self.name}: files are sent to root with `send`")

    def gone(self) -> str | None:
        """Return where the connection ended, as the wire below says."""
        return self.wire.gone()

    def close(self) -> None:
        """End the connection."""
        self.wire.close()

    def need_password(self, why: str) -> None:
        """Get the password that sudo wants; raises HostError where it wants something else, or nobody knows it."""
        if not wants_password(why):
            raise self.refuse("refused", why)
        self.phrase = self._become.passwords(self.name)
        if self.phrase is None:
            raise self.refuse("wants", why)
        if "\n" in self.phrase.text or not self.phrase.text:
            origin = self.phrase.origin
            raise NoRoot(f"{self.name}: sudo's password from {origin} is empty or has several lines", "Mend it.")

    def refuse(self, word: str, why: str) -> NoRoot:
        """Return what is said of a host that does not let the account become root."""
        return refusal(self.name, word, why, self.phrase.origin if self.phrase else "")


class _Channel:
    """A program of root's. The first one on a wire finds out whether sudo wants a password, at the latest when read."""

    def __init__(self, wire: Rooted, timeout: float) -> None:
        self._wire = wire
        self._opening = self._timeout = timeout
        self._channel = wire.wire.channel(timeout)
        self._nonce = f"crmhost-{secrets.token_hex(16)}"
        self._program = ""
        self._head = b""
        self._rest: bytes | None = None
        """What came behind the answer's first line; None: that one has not come yet."""
        self._ahead: bytearray | None = None
        """What was sent to the first program and is sent again if sudo wants a password; None: that is settled."""
        self._ended = self._again = False
        """Whether the end of its input was sent ahead too, and whether it was started again."""
        self._settled = threading.Event()
        self._complaint = b""
        """The beginning of what came on standard error; whoever reads there keeps it for `_complained`."""
        self._complaining = threading.Lock()

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout if timeout is not None else 3600.0
        self._channel.settimeout(timeout)

    def exec_command(self, command: str) -> None:
        self._program = command
        if self._wire.way is None:
            with self._wire.finding_out:
                if self._is_first():
                    return
        self._settled.set()
        self._begin()

    def _is_first(self) -> bool:
        """Start the program as the first one; False where the way is known by now."""
        wire = self._wire
        if wire.first is not None:
            wire.first.settle()
        if wire.way is not None:
            return False
        if wire.refused is not None:
            raise type(wire.refused)(wire.refused.what, wire.refused.remedy)
        self._begin()
        self._ahead, wire.first = bytearray(), self
        if wire.phrase is not None:  # sudo might take what is sent ahead for another password
            self.settle()
        return True

    def settle(self) -> None:
        """Wait for the answer of a first program, and start it again where that takes a password; raises as `recv`."""
        with self._wire.finding_out:
            if self._ahead is None:
                return
            try:
                self._find_out(self._ahead)
            except HostError as error:
                self._wire.refused = error
                self._done()
                raise
            self._done()

    def _find_out(self, ahead: bytearray) -> None:
        word, why = self._answer()
        if word == "wants" and not self._again:
            self._wire.need_password(why)
            self._channel.close()
            self._head, self._again = b"", True
            self._channel = self._wire.wire.channel(self._opening)
            self._channel.settimeout(self._timeout)
            self._begin()
            word, why = self._answer()
        self._judge(word, why)
        if self._again:
            self._channel.sendall(bytes(ahead))
            if self._ended:
                self._channel.shutdown_write()

    def _done(self) -> None:
        self._ahead = None
        if self._wire.first is self:
            self._wire.first = None
        self._settled.set()

    def sendall(self, s: bytes) -> None:
        if self._ahead is None or not self._sent_ahead(s):
            self._channel.sendall(s)

    def _sent_ahead(self, data: bytes) -> bool:
        """Send what the first program reads, and note it; False where its answer is there, or is waited for first."""
        with self._wire.finding_out:
            if self._ahead is None or len(self._ahead) + len(data) > _AHEAD:
                self.settle()
                return False
            self._ahead += data
            self._tell(data)
            return True

    def shutdown_write(self) -> None:
        with self._wire.finding_out:
            self._ended = True
            with suppress(*(() if self._ahead is None else self._wire.errors)):
                self._channel.shutdown_write()

    def recv(self, nbytes: int) -> bytes:
        if self._rest is None:
            self.settle()
        if self._rest is None:
            word, why = self._answer()
            self._judge(*(self._complained() if not word else (word, why)))
        if self._rest:
            data, self._rest = self._rest[:nbytes], self._rest[nbytes:]
            return data
        return self._channel.recv(nbytes)

    def recv_stderr(self, nbytes: int) -> bytes:
        if not self._settled.wait(self._timeout):
            raise TimeoutError
        with self._complaining:
            data = self._channel.recv_stderr(nbytes)
            if len(self._complaint) < _REASON:
                self._complaint += data
        return data

    def close(self) -> None:
        self._channel.close()
        if self._wire.first is self:
            self._wire.first = None
        self._settled.set()

    def _begin(self) -> None:
        """Start the program, and send what comes before its own input."""
        self._channel.exec_command(command(self._program, self._wire.way))
        password = self._wire.phrase.text if self._wire.phrase else ""
        self._tell(f"{self._nonce}\n{password}\n{password}\n{self._nonce}\n".encode())

    def _tell(self, data: bytes) -> None:
        """Send it, whether or not the program has ended: then it has said why, and that is read next."""
        try:
            self._channel.sendall(data)
        except TimeoutError:
            raise
        except self._wire.errors:
            return

    def _judge(self, word: str, why: str) -> None:
        """Remember how root was become; raises HostError where it was not. No word at all is for others to judge."""
        if word in get_args(Way):
            self._wire.way = cast(Way, word)
        elif word:
            raise self._wire.refuse(word, why)

    def _complained(self) -> tuple[str, str]:
        """Return `refused` and what sudo said, where it no longer lets the account be root; no word for other ends."""
        while self.recv_stderr(8192):  # the channel has ended, so this does not wait
            pass
        said = self._complaint.decode("utf-8", "replace")
        return ("refused", said) if re.search(r"^sudo: ", said, re.MULTILINE) else ("", "")

    def _answer(self) -> tuple[str, str]:
        """Read the line that says how it went; return its word, and the reason. No word: the account's end came first.

        What a profile printed before it is left out; before an end, it is what there is to be read.
        """
        until, mark = time.monotonic() + self._timeout, f"\n{self._nonce} ".encode()
        while True:
            _, found, rest = self._head.partition(mark)
            word, ended, behind = rest.partition(b"\n")
            if found and ended:
                break
            more = self._more(until)
            if not more:
                self._rest = self._head
                return "", ""
            self._head += more
            if len(self._head) > _LONGEST:
                raise HostError(
                    f"{self._wire.name}: printed more than {_LONGEST} bytes before anything was asked",
                    "Look at the account's shell profile.",
                )
        if word.decode("ascii", "replace") in get_args(Way):
            self._rest = behind
            return word.decode("ascii"), ""
        while len(behind) < _REASON and (more := self._more(until)):
            behind += more
        return word.decode("ascii", "replace"), behind[:_REASON].decode("utf-8", "replace")

    def _more(self, until: float) -> bytes:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._channel.settimeout(left)
        try:
            return self._channel.recv(65536)
        finally:
            self._channel.settimeout(self._timeout)
