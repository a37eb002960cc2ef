"""Many probes at once in one thread: libcurl's multi interface over poll(2). No asyncio, no thread a probe.

`start` begins a probe, `wait` lets them all go on for a while and returns what has ended. Both belong to one thread;
only `wake` may be called from another. A failed probe is an Outcome like any other; nothing here raises for one.
"""

from __future__ import annotations

import contextlib
import select
import socket
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pycurl

from contract.model import Micros
from monitor.clock import Clock, Reading
from monitor.probe.handle import MOST_BODY, Body, Ways, make_handle, read_hop, read_stage
from monitor.probe.reason import Reason, classify, http_status
from monitor.probe.redirect import REDIRECTS, next_url
from monitor.probe.result import Hop, Outcome, Request

_MOST_DETAIL = 200
_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL
_EVENTS = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}


@dataclass(slots=True)
class _Flight:
    """One probe under way: its hops so far, and the hop that is running."""

    request: Request
    began: Reading
    body: Body
    visited: list[str]
    hops: list[Hop] = field(default_factory=list)


class Client:
    """The probes under way. `ca_file` and `instead`: see `monitor.probe.handle.Ways`."""

    def __init__(self, clock: Clock, ca_file: Path | None, instead: tuple[str, ...] = ()) -> None:
        self._clock = clock
        self._ways = Ways(ca_file, instead)
        self._flights: dict[pycurl.Curl, _Flight] = {}
        self._ended: list[Outcome] = []
        self._timer: Micros | None = None
        self._poll = select.poll()
        self._watched: set[int] = set()
        self._alarm, self._wake = socket.socketpair()
        for end in (self._alarm, self._wake):
            end.settimeout(0)
        self._poll.register(self._alarm, select.POLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        """How many probes are under way."""
        return len(self._flights)

    def start(self, request: Request) -> None:
        """Begin a probe now."""
        body = Body(keep=request.body is not None)
        self._begin_hop(_Flight(request, self._clock.read(), body, [request.url]), request.timeout)

    def wait(self, most: Micros) -> list[Outcome]:
        """Let the probes go on until one has ended, `wake` is called, or `most` microseconds have passed."""
        now = self._clock.steady()
        deadline = now + most
        woken = False
        while not self._ended and not woken:
            until = deadline if self._timer is None else min(deadline, self._timer)
            woken = self._turn(max(0, until - now))
            now = self._clock.steady()
            if now >= deadline:
                break
        ended, self._ended = self._ended, []
        return ended

    def wake(self) -> None:
        """End a `wait` that is going on in another thread, or the next one; do nothing after `close`."""
        with contextlib.suppress(OSError):  # full: it has been woken already; or closed
            self._wake.send(b"\0")

    def close(self) -> None:
        """Give up every probe under way; they have no outcome.

        Returns at once, but for a name that is being resolved: libcurl waits until the system's resolver gives it up.
        """
        for handle in list(self._flights):
            self._multi.remove_handle(handle)
            handle.close()
        self._flights.clear()
        self._multi.close()
        self._alarm.close()
        self._wake.close()

    def _turn(self, most: Micros) -> bool:
        """One round of the loop; whether it was woken."""
        woken = False
        for descriptor, events in self._poll.poll(-(-most // 1000)):
            if descriptor == self._alarm.fileno():
                woken = True
                self._alarm.recv(4096)
                continue
            bits = pycurl.CSELECT_IN if events & select.POLLIN else 0
            bits |= pycurl.CSELECT_OUT if events & select.POLLOUT else 0
            bits |= pycurl.CSELECT_ERR if events & _BROKEN else 0
            self._multi.socket_action(descriptor, bits)
        if self._timer is not None and self._clock.steady() >= self._timer:
            self._timer = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()
        return woken

    def _collect(self) -> None:
        waiting = 1
        while waiting:
            waiting, good, bad = self._multi.info_read()
            for handle in good:
                self._end_hop(handle, 0, "")
            for handle, error, message in bad:
                self._end_hop(handle, error, message)

    def _begin_hop(self, flight: _Flight, timeout: Micros) -> None:
        try:
            handle = make_handle(flight.visited[-1], flight.body, timeout, self._ways)
            if flight.request.connect_only:
                handle.setopt(pycurl.CONNECT_ONLY, 1)
            self._multi.add_handle(handle)
        except (pycurl.error, UnicodeError) as error:
            self._finish(flight, Reason.PROBER_FAULT, str(error))
            return
        self._flights[handle] = flight

    def _end_hop(self, handle: pycurl.Curl, error: int, message: str) -> None:
        flight = self._flights.pop(handle)
        hop = read_hop(handle, flight.visited[-1])
        flight.hops.append(hop)
        if error == pycurl.E_WRITE_ERROR and flight.body.full:
            error = 0  # we ended it ourselves, having read all that is ever read
        location = handle.getinfo(pycurl.REDIRECT_URL) or ""
        reason = str(classify(error, read_stage(handle, hop))) if error else None
        follow = not error and location and _leads_on(flight.request, hop)
        if not error and not follow:
            reason, message = self._judge(flight, hop, handle.getinfo(pycurl.CONTENT_TYPE) or "")
        self._multi.remove_handle(handle)
        handle.close()
        if follow:
            self._follow(flight, location)
        else:
            self._finish(flight, reason, message)

    def _follow(self, flight: _Flight, location: str) -> None:
        target = next_url(flight.visited, location)
        if isinstance(target, Reason):
            self._finish(flight, target, f"redirected to {location}")
            return
        spent = self._clock.steady() - flight.began.steady
        if spent >= flight.request.timeout:
            self._finish(flight, Reason.TIMEOUT, f"the time ran out before {target}")
            return
        flight.visited.append(target)
        flight.body = Body(keep=flight.request.body is not None)
        self._begin_hop(flight, flight.request.timeout - spent)

    def _judge(self, flight: _Flight, hop: Hop, content_type: str) -> tuple[str | None, str]:
        request = flight.request
        if request.connect_only:
            return None, ""
        if hop.status != request.status:
            return http_status(hop.status or 0), f"expected {request.status}"
        if request.body is not None and not flight.body.holds(request.body, content_type):
            read = f"the first {MOST_BODY} bytes" if flight.body.full else f"{flight.body.size} bytes"
            return Reason.BODY_MISSING, f"the expected text is not in {read} of the body"
        return None, ""

    def _finish(self, flight: _Flight, reason: str | None, detail: str) -> None:
        end = flight.began.after(self._clock.steady())
        printable = "".join(character if character.isprintable() else "�" for character in detail[:_MOST_DETAIL])
        self._ended.append(
            Outcome(
                name=flight.request.name,
                at_start=flight.began.wall,
                at_end=end,
                reason=str(reason) if reason is not None else None,
                detail=printable,
                hops=tuple(flight.hops),
            )
        )

    def _on_socket(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        events = _EVENTS.get(what, 0)
        if events:
            self._poll.register(descriptor, events)
            self._watched.add(descriptor)
        elif descriptor in self._watched:
            self._poll.unregister(descriptor)
            self._watched.discard(descriptor)

    def _on_timer(self, milliseconds: int) -> None:
        self._timer = None if milliseconds < 0 else self._clock.steady() + milliseconds * 1000


def _leads_on(request: Request, hop: Hop) -> bool:
    """Whether a redirect is to be followed: not where it is itself the answer that was wanted."""
    return hop.status in REDIRECTS and hop.status != request.status
