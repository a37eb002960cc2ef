"""What runs in the process of one contract: the work, and how it ended as one message to the process that listens.

A process of its own for each, since Pulumi's command and its environment are a process's own, since what kills one
must not take the others along, and since Ctrl-C must reach each exactly once: a second one would break off the tidying
up that the first began. So each has a session of its own (no terminal, nobody to ask), is interrupted by the process
that began it, and interrupts itself when that one is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing import connection as connections
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from types import FrameType
from typing import TypeAlias

from crm.errors import CrmhostError
from crm.plan import Event, Plan
from crmhost.fleetwide.ending import Ending

Tell: TypeAlias = Callable[[Event | Plan], None]
Work: TypeAlias = Callable[[str, Tell], Ending]
"""Does what is to be done for the contract of that name, and tells of it meanwhile. Must be picklable."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Blocked while a process is begun, so that none is lost before it is ready for them."""


def main(work: Work, contract: str, pipe: Connection) -> None:
    """Do the work and send its ending, whatever happens."""
    voice = _Voice(pipe)
    try:
        _stand_alone(voice)
        ending = work(contract, voice.say)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 -- told to the process that listens, which says it
        ending = ending_of(contract, error)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    voice.say(ending)
    pipe.close()


def ending_of(contract: str, error: BaseException) -> Ending:
    """Return what an exception means for its contract."""
    match error:
        case CrmhostError():
            return Ending(contract, "failed", what=error.what, remedy=error.remedy)
        case KeyboardInterrupt():
            return Ending(contract, "stopped", what="the same command again finishes it")
        case _:
            where = "".join(traceback.format_exception(error)) if os.environ.get("CRMHOST_DEBUG") else ""
            remedy = "The same command may be run again: it finishes what was begun. CRMHOST_DEBUG=1 shows where."
            return Ending(
                contract,
                "failed",
                what=f"this is a bug in crmhost: {type(error).__name__}",
                remedy=f"{remedy}\n{where}".rstrip(),
            )


class _Voice:
    """Sends messages whole: an interruption in the middle of one waits for its end.

    Threads speak too: the one that connects, those that read what Pulumi says. Python interrupts the main thread alone,
    so only what that one is saying has to be waited for.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._busy, self._interrupted = pipe, False, False
        self._turn = threading.Lock()

    def say(self, message: Event | Plan | Ending) -> None:
        if threading.current_thread() is not threading.main_thread():
            with self._turn:
                self._pipe.send(message)
            return
        self._busy = True
        try:
            with self._turn:
                self._pipe.send(message)
        finally:
            self._busy = False
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def interrupt(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- a signal handler's signature
        if self._busy:
            self._interrupted = True
        else:
            raise KeyboardInterrupt


def _stand_alone(voice: _Voice) -> None:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, voice.interrupt)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1) if os.environ.get("CRMHOST_DEBUG") else (0, 1, 2):
        os.dup2(nothing, descriptor)  # the terminal belongs to the table
    os.close(nothing)
    threading.Thread(target=_outlive_nobody, name="parent", daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _outlive_nobody() -> None:
    parent = parent_process()
    if parent is not None:
        connections.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)


def starts_by() -> str:
    """Return how multiprocessing is to begin processes: by fork where that is safe, which saves the imports."""
    return "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"
