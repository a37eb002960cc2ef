"""Working as root on a host, as an account that may: it is root, or sudo lets it, with or without its password.

What is sent is a fixed command; which of the three it is, the host finds out. Standard input begins with a nonce, the
password (or an empty line) twice, and the nonce again; then comes the program's own. The first of the two is tried on a
program that does nothing, in a pipe that ends after it, so that a wrong one is counted once and sudo finds nothing else
to take for a second. The other one is read by the sudo that starts the program: sudo reads a line byte by byte, so the
rest stays to be read. Where sudo wanted none, the program's own shell skips it.

The answer begins with a line `NONCE WORD`. The word is a Way, or `missing`, `wants` or `refused` and the reason.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias, cast, get_args

from crm.errors import HostError
from playbooks.keys import Phrase
from playbooks.kind import Put
from playbooks.sending import send
from playbooks.shell import sh
from playbooks.sudo import NoRoot, refusal, wants_password
from playbooks.wire import Channel, Wire

HOME = "/var/lib/crmhost/engine"
"""The home folder of what runs as root: the engine's own, so that root's is left alone. The lock's keeper makes it."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Way: TypeAlias = Literal["root", "sudo", "password"]
"""The account is root; sudo lets it without a password; sudo wants its password."""

Passwords: TypeAlias = Callable[[str], Phrase | None]
"""Returns the password that sudo wants on a host, called by its name; None where nobody knows it. Asked only then."""

_LONGEST = 1 << 20  # bytes that a profile may print before the answer
_REASON = 16 * 1024  # bytes


def no_password(_host: str) -> None:
    """Know no password."""


@dataclass(frozen=True, slots=True)
class Become:
    """The wish to work as root on a host. passwords: where sudo's comes from, should it want one."""

    passwords: Passwords = no_password


_ROOT = sh(
    """\
while IFS= read -r l; do [ "$l" = "$1" ] && break; done; unset l; umask 077; \
PATH={path}; HOME={home}; export PATH HOME; cd "$HOME" 2>/dev/null || cd /; \
echo; echo "$1 $2"; exec sh -c "$3\"""",
    path=PATH,
    home=HOME,
)
"""Run by root: skips what is left of the password, and starts the program. Has the nonce, the way and the program."""

_LOGIN = sh(
    """\
unset p; IFS= read -r n; case $n in crmhost-*) ;; *) exit 1 ;; esac; IFS= read -r p; \
say() {{ echo; echo "$n $1"; }}; \
if [ "$(id -u)" = 0 ]; then exec sh -c "$1" crmhost "$n" root "$2"; fi; \
command -v sudo >/dev/null 2>&1 || {{ say missing; exit 1; }}; \
case $3 in sudo) ;; password) false ;; *) e=$(LC_ALL=C sudo -k -n sh -c : 2>&1 </dev/null) ;; esac && \
exec sudo -k -n sh -c "$1" crmhost "$n" sudo "$2"; \
[ -n "$p" ] || {{ say wants; printf "%s" "$e"; exit 1; }}; \
e=$(printf "%s\\n" "$p" | LC_ALL=C sudo -k -S -p "" sh -c : 2>&1) || {{ say refused; printf "%s" "$e"; exit 1; }}; \
p=; exec sudo -k -S -p "" sh -c "$1" crmhost "$n" password "$2\""""
)
"""Run by the account's login shell, whichever that is: one line, without a single quote.

Has _ROOT, the program, and the way, once it was found out: sudo is not asked again then whether it wants a password.

A profile that reads standard input must not make it take the password for the nonce, which is an argument.
"""


def command(program: str, way: Way | None) -> str:
    """Return the command that starts a program as root, from any account that may; way: None where it is not known."""
    words = (_LOGIN.text, "crmhost", _ROOT.text, program, way or "")
    return sh("sh -c {words}", words=words).text


class Rooted:
    """A wire to a host on which every program is root's. name: the host, as errors and passwords have it."""

    root = True

    def __init__(self, name: str, wire: Wire, become: Become) -> None:
        self.name = name
        self.errors = wire.errors
        self.wire = wire
        self.way: Way | None = None
        self.phrase: Phrase | None = None
        self.finding_out = threading.Lock()
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
    """A program of root's. The first one on a wire waits for the answer: it finds out whether sudo wants a password."""

    def __init__(self, wire: Rooted, timeout: float) -> None:
        self._wire = wire
        self._opening = self._timeout = timeout
        self._channel = wire.wire.channel(timeout)
        self._nonce = f"crmhost-{secrets.token_hex(16)}"
        self._head = b""
        self._rest: bytes | None = None
        """What came behind the answer's first line; None: that one has not come yet."""
        self._complaint = b""
        """The beginning of what came on standard error; whoever reads there keeps it for `_complained`."""
        self._complaining = threading.Lock()

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout if timeout is not None else 3600.0
        self._channel.settimeout(timeout)

    def exec_command(self, command: str) -> None:
        if self._wire.way is not None:
            self._begin(command)
            return
        with self._wire.finding_out:
            if self._wire.refused is not None:
                raise type(self._wire.refused)(self._wire.refused.what, self._wire.refused.remedy)
            try:
                self._find_out(command)
            except HostError as error:
                self._wire.refused = error
                raise

    def _find_out(self, program: str) -> None:
        self._begin(program)
        word, why = self._answer()
        if word == "wants":
            self._wire.need_password(why)
            self._channel.close()
            self._channel = self._wire.wire.channel(self._opening)
            self._channel.settimeout(self._timeout)
            self._head = b""
            self._begin(program)
            word, why = self._answer()
        self._judge(word, why)

    def sendall(self, s: bytes) -> None:
        self._channel.sendall(s)

    def shutdown_write(self) -> None:
        self._channel.shutdown_write()

    def recv(self, nbytes: int) -> bytes:
        if self._rest is None:
            known = self._wire.way is not None
            word, why = self._answer()
            self._judge(*(self._complained() if known and not word else (word, why)))
        if self._rest:
            data, self._rest = self._rest[:nbytes], self._rest[nbytes:]
            return data
        return self._channel.recv(nbytes)

    def recv_stderr(self, nbytes: int) -> bytes:
        with self._complaining:
            data = self._channel.recv_stderr(nbytes)
            if len(self._complaint) < _REASON:
                self._complaint += data
        return data

    def close(self) -> None:
        self._channel.close()

    def _begin(self, program: str) -> None:
        """Start the program, and send what comes before its own input."""
        self._channel.exec_command(command(program, self._wire.way))
        password = self._wire.phrase.text if self._wire.phrase else ""
        self._channel.sendall(f"{self._nonce}\n{password}\n{password}\n{self._nonce}\n".encode())

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
