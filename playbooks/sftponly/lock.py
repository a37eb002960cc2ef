"""The lock of a contract where nothing of ours runs on the host: a file that only one can make, and signs of life.

It is weaker than a lock that a kernel keeps. Whoever finds signs of life older than the lease takes the lock over; so
the holder reads its own token in it again before each act that counts, and between that and the act nothing protects.
All instants are the host's: the times of files that were just written.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from crm.errors import HostError, LockHeld
from playbooks.host import Host
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.sftp import Files
from playbooks.terminal import safe_line

_OURS = ("lock", "alive-", "lock-of-")
"""How the names of the lock, of signs of life, and of a dead holder's lock begin."""


@dataclass(frozen=True, slots=True)
class Lease:
    """How many seconds a holder may be silent, and how often it shows that it lives."""

    silence: float = 60.0
    beat: float = 10.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. idle: seconds since the last sign of life."""

    token: str
    who: str
    doing: str
    idle: int

    def __str__(self) -> str:
        """Return one sentence, safe for a terminal."""
        return safe_line(f"{self.who}: {self.doing}; last sign of life {self.idle} s ago", 300)


class Held:
    """The lock, held."""

    def __init__(self, files: Files, layout: Layout, token: str) -> None:
        self._files = files
        self._layout = layout
        self.token = token

    def confirm(self) -> None:
        """Raise LockHeld when somebody has taken the lock over, or removed it."""
        found = _read(self._files, self._layout)
        if found is None or found[0] != self.token:
            whose = "it was removed" if found is None else f"{safe_line(found[1])} holds it now: {safe_line(found[2])}"
            raise LockHeld(
                f"{self._layout.contract}: the lock on the host is not ours any more; {whose}",
                "Nothing more was done. Wait until the other one has finished, and run the command again.",
            )


@contextmanager
def hold(host: Host, layout: Layout, doing: str, who: str, lease: Lease) -> Iterator[Held]:
    """Hold the contract's lock while the block runs; raises LockHeld naming the holder."""
    files = Files(host)
    token = secrets.token_hex(8)
    stop = threading.Event()
    pulse = threading.Thread(target=_beat, args=(host, layout, token, lease, stop), daemon=True)
    try:
        _take(files, layout, token, who, doing, lease)
        pulse.start()
        yield Held(files, layout, token)
    finally:
        stop.set()
        if pulse.ident is not None:
            pulse.join(lease.beat)
        with contextlib.suppress(HostError):
            found = _read(files, layout)
            if found is not None and found[0] == token:
                files.drop(layout.lock)
            files.drop(_life(layout, token))
        files.close()


def holder(files: Files, layout: Layout, now: int) -> Holder | None:
    """Return who holds the lock; `now`: seconds by the host's clock."""
    found = _read(files, layout)
    if found is None:
        return None
    token, who, doing = found
    alive = files.entry(_life(layout, token)) or files.entry(layout.lock)
    return Holder(token, who, doing, max(0, now - alive.changed) if alive is not None else 0)


def abandoned(files: Files, layout: Layout, silence: float, now: Callable[[], int]) -> bool:
    """Tell whether runs have left a lock or signs of life, and none of them shows one for `silence` seconds.

    now: the host's time, in seconds; it is asked for where something was left.
    """
    left = [one for one in files.list(layout.root) if one.name.startswith(_OURS)]
    at = now() if left else 0
    return bool(left) and all(at - one.changed > silence for one in left)


def _take(files: Files, layout: Layout, token: str, who: str, doing: str, lease: Lease) -> None:
    body = json.dumps({"token": token, "who": who, "doing": doing}).encode()
    files.create(_life(layout, token), b".")
    for _ in range(2):
        if files.create(layout.lock, body):
            _sweep(files, layout, token, lease)
            return
        mine = files.entry(_life(layout, token))
        found = holder(files, layout, 0 if mine is None else mine.changed)
        if found is None:
            continue
        if found.idle <= lease.silence:
            files.drop(_life(layout, token))
            raise LockHeld(
                f"{layout.contract} is being changed on the host by {found}",
                f"Wait until that is done. If it was killed, the same command works {lease.silence:g} s after its last"
                " sign of life.",
            )
        _clear_away(files, layout, found, token)
    files.drop(_life(layout, token))
    raise LockHeld(f"{layout.contract}: somebody else was quicker to lock it", "Run the same command again.")


def _sweep(files: Files, layout: Layout, token: str, lease: Lease) -> None:
    """Remove what those have left who were killed on their way to the lock."""
    mine = files.entry(_life(layout, token))
    for one in files.list(layout.root):
        if mine is not None and one.name.startswith(_OURS[1:]) and mine.changed - one.changed > lease.silence:
            files.drop(layout.below(one.name))


def _clear_away(files: Files, layout: Layout, dead: Holder, token: str) -> None:
    """Take a dead holder's lock out of the way; one that turns out to be another's is put back."""
    aside = layout.below(f"lock-of-{token}")
    with contextlib.suppress(HostError):  # another one was quicker
        files.rename(layout.lock, aside)
    raw = files.read(aside, 4096)
    if raw is None:
        return
    moved = _parsed(raw)
    if moved is not None and moved[0] != dead.token:
        with contextlib.suppress(HostError):
            files.rename(aside, layout.lock)
    files.drop(aside)
    files.drop(_life(layout, dead.token))


def _beat(host: Host, layout: Layout, token: str, lease: Lease, stop: threading.Event) -> None:
    """Show signs of life until told to stop; a connection that is gone shows itself to the holder's own calls."""
    with contextlib.suppress(HostError):
        files = Files(host)
        while not stop.wait(lease.beat):
            files.touch(_life(layout, token))
        files.close()


def _life(layout: Layout, token: str) -> str:
    return layout.below(f"alive-{token}")


def _read(files: Files, layout: Layout) -> tuple[str, str, str] | None:
    raw = files.read(layout.lock, 4096)
    return None if raw is None else _parsed(raw) or ("", "somebody", "something")


def _parsed(raw: bytes) -> tuple[str, str, str] | None:
    try:
        body = json.loads(raw)
        token, who, doing = str(body["token"]), str(body["who"]), str(body["doing"])
    except (ValueError, KeyError, TypeError):
        return None
    return (token, who, doing) if len(token) == 16 and token.isalnum() else None
