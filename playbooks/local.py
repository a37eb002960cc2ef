"""The host itself instead of a host over SSH: its programs are started here, once it is certain that this is the host.

Over SSH a host shows its key. Here the same key is read from its place and compared with what the fleet has pinned.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pwd
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from crm.errors import Refused
from playbooks.become import Become, Rooted
from playbooks.host import Host
from playbooks.kind import Put
from playbooks.known_hosts import Known, fingerprint, look_up, pin
from playbooks.route import Stop
from playbooks.sending import send
from playbooks.terminal import safe_line
from playbooks.wire import Channel

SSH = Path("/etc/ssh")
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

Own = tuple[tuple[str, bytes], ...]
"""The host keys of a machine: their types and public halves."""


def here(
    stop: Stop,
    known_hosts: Path,
    *,
    accept: Callable[[str, str], bool],
    become: Become | None = None,
    keys: Path = SSH,
) -> Host:
    """Return a connection to this machine, which is what `stop` means.

    known_hosts: the fleet's file; on first contact `accept("SHA256:…", "which machine, for which host")` decides, and
    the key is pinned there. become: work as root. keys: the folder of this machine's host keys. Raises Refused where it
    is another machine than the contract's, or may be.
    """
    own = own_keys(keys)
    _verify(stop, own, look_up(known_hosts, stop.pinned), known_hosts, accept)
    name, wire = f"{socket.gethostname()} (this machine)", Here()
    return Host(name, wire if become is None else Rooted(name, wire, become))


def own_keys(folder: Path = SSH) -> Own:
    """Return this machine's host keys; none where no SSH server was ever installed."""
    found = []
    for path in sorted(folder.glob("ssh_host_*_key.pub")):
        with contextlib.suppress(OSError, ValueError):
            algorithm, key = path.read_text("ascii").split()[:2]
            found.append((algorithm, base64.b64decode(key, validate=True)))
    return tuple(found)


def _verify(
    stop: Stop, own: Own, pinned: Sequence[Known], known_hosts: Path, accept: Callable[[str, str], bool]
) -> None:
    mine = socket.gethostname()
    if pinned:
        if any(known.key == key for known in pinned for _, key in own):
            return
        shown = fingerprint(own[0][1]) if own else "none"
        raise Refused(
            f"{stop.title}: is not this machine, {mine}: its host key is {shown},"
            f" {pinned[0].fingerprint} is pinned in {known_hosts}:{pinned[0].line}",
            "Run it on the contract's own host, or without --local to reach that one over SSH.",
        )
    host = stop.address.host
    if not is_own(host):
        line = f"{stop.pinned} {own[0][0]} …" if own else "its host key"
        raise Refused(
            f"{stop.title}: is not this machine, {mine}: {safe_line(host)} is no address of it",
            "Run it on the contract's own host, or without --local. Where that address leads here all the same, by NAT,"
            f" say so by pinning this machine's key for it: `{line}`, from {SSH}/ssh_host_*_key.pub, in {known_hosts}.",
        )
    shown = fingerprint(own[0][1]) if own else "(it has none)"
    if not accept(shown, f"this machine, {mine}, for {stop.title}"):
        raise Refused(
            f"{stop.title}: that it is this machine, {mine}, was not accepted",
            "Compare its name with what the contract means. At a terminal you are asked; elsewhere give"
            " --accept-host-key.",
        )
    if own:
        pin(known_hosts, stop.pinned, own[0][0], own[0][1])


def is_own(host: str) -> bool:
    """Return whether a name or an address is one of this machine's: a socket can be bound to no other."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return False
    return any(_bindable(family, place) for family, _, _, _, place in found)


def _bindable(family: int, place: tuple[object, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(place)
    except OSError:
        return False
    return place[0] not in ("0.0.0.0", "::")  # noqa: S104 -- they can be bound to, and are nobody's


class Here:
    """The wire to this machine: each channel is a process with pipes."""

    root = False
    errors: tuple[type[Exception], ...] = (OSError, EOFError)

    def __init__(self) -> None:
        self._open: set[_Program] = set()

    def channel(self, timeout: float) -> Channel:  # noqa: ARG002 -- a Wire's signature
        """Return what starts a program."""
        program = _Program(self._open.discard)
        self._open.add(program)
        return program

    def send(self, puts: Sequence[Put], folder: str, timeout: float) -> None:
        """Write the files; raises OSError for what was refused."""
        send(self, puts, folder, timeout)

    def files(self, timeout: float) -> NoReturn:  # noqa: ARG002 -- a Wire's signature
        """Refuse: there is no SFTP without SSH."""
        raise Refused(
            f"{socket.gethostname()}: this account is worked on over SFTP, which --local goes without",
            "Run it without --local.",
        )

    def gone(self) -> None:
        """Return that nothing was cut: there is no connection."""

    def close(self) -> None:
        """Stop talking to all programs; they learn it from their standard input."""
        for program in tuple(self._open):
            program.close()


class _Program:
    """A process, as a channel; it has a session of its own, so that a Ctrl-C in the terminal is not its own."""

    def __init__(self, closed: Callable[[_Program], None]) -> None:
        self._closed = closed
        self._timeout: float | None = None
        self._ends: tuple[_End, ...] = ()

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def exec_command(self, command: str) -> None:
        account = pwd.getpwuid(os.getuid())
        process = subprocess.Popen(  # noqa: S603 -- what would be sent over SSH
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=account.pw_dir if os.access(account.pw_dir, os.X_OK) else "/",
            env=_environment(account),
            start_new_session=True,
            bufsize=0,
        )
        ends = []
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None  # noqa: S101 -- all three were asked for
            ends.append(_End(os.dup(pipe.fileno())))
            pipe.close()
        self._ends = tuple(ends)
        threading.Thread(target=process.wait, daemon=True).start()

    def sendall(self, s: bytes) -> None:
        self._ends[0].write(s, self._timeout)

    def shutdown_write(self) -> None:
        self._ends[0].close()

    def recv(self, nbytes: int) -> bytes:
        return self._ends[1].read(nbytes, self._timeout)

    def recv_stderr(self, nbytes: int) -> bytes:
        return self._ends[2].read(nbytes, self._timeout)

    def close(self) -> None:
        for end in self._ends:
            end.close()
        self._closed(self)


class _End:
    """Our end of a pipe, which one thread may close while another waits at it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._wake, self._waker = os.pipe()
        self._using = threading.Lock()
        self._closing = threading.Lock()
        self._is_closed = False
        os.set_blocking(descriptor, False)

    def read(self, size: int, timeout: float | None) -> bytes:
        """Return some bytes, none at the end; raises TimeoutError, EOFError once it is closed."""
        with self._using:
            self._await(select.POLLIN, timeout)
            return os.read(self._descriptor, size)

    def write(self, data: bytes, timeout: float | None) -> None:
        """Write all of it; raises TimeoutError, OSError when nobody reads it."""
        left = memoryview(data)
        with self._using:
            while left:
                self._await(select.POLLOUT, timeout)
                with contextlib.suppress(BlockingIOError):
                    left = left[os.write(self._descriptor, left) :]

    def close(self) -> None:
        """Close it; whoever waits at it stops waiting."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
            os.close(self._waker)
        with self._using:
            os.close(self._descriptor)
            os.close(self._wake)

    def _await(self, event: int, timeout: float | None) -> None:
        if self._is_closed:
            raise EOFError("it was closed")
        poll = select.poll()
        poll.register(self._descriptor, event)
        poll.register(self._wake, select.POLLIN)
        ready = dict(poll.poll(None if timeout is None else max(0, timeout) * 1000))
        if self._wake in ready:
            raise EOFError("it was closed")
        if not ready:
            raise TimeoutError


def _environment(account: pwd.struct_passwd) -> dict[str, str]:
    """Return what a log-in would have: none of crmhost's own variables, which may be secrets."""
    return {
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": account.pw_shell or "/bin/sh",
        "PATH": _PATH,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }
