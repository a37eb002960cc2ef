"""A line that is longer than it is: a TCP proxy in user space that holds back each byte for half a round trip.

Bytes are held back, not slowed down: any number may be on the way at once, as on a real line.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_READ = 1 << 16
_END = b""


@contextmanager
def delayed(address: str, port: int, round_trip: float) -> Iterator[Line]:
    """Give a line that leads to an address; round_trip: seconds. It ends with the block."""
    line, listening = Line(address, port, round_trip), Future[asyncio.AbstractEventLoop]()
    ended = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(line.meet, "127.0.0.1", 0)
        async with server:
            line.here = server.sockets[0].getsockname()[1]
            listening.set_result(asyncio.get_running_loop())
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="delay", daemon=True)
    thread.start()
    loop = listening.result(10.0)
    try:
        yield line
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


@dataclass(slots=True)
class Line:
    """Where it leads, and how many seconds a round trip on it takes. here: its loopback port.

    answers: how often something came back after something was sent, which is how often somebody waited for a round
    trip, as long as one thing is asked at a time.
    """

    address: str
    port: int
    round_trip: float
    here: int = 0
    answers: int = 0
    asked: bool = False

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, until both sides have ended it."""
        with suppress(asyncio.CancelledError):  # the line's end, which asyncio's streams would report as an error
            await asyncio.sleep(self.round_trip)  # as TCP's own handshake would take
            onward, back = await asyncio.open_connection(self.address, self.port)
            await asyncio.gather(self._carry(reader, back, self._sent), self._carry(onward, writer, self._came))

    def _sent(self) -> None:
        self.asked = True

    def _came(self) -> None:
        self.answers += self.asked
        self.asked = False

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: Callable[[], None]
    ) -> None:
        """Pass on what is read, each piece once it was on the way for long enough, then the end."""
        loop = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            with suppress(ConnectionError):
                while data := await reader.read(_READ):
                    counted()
                    on_the_way.put_nowait((loop.time() + self.round_trip / 2, data))
            on_the_way.put_nowait((loop.time() + self.round_trip / 2, _END))

        async def write() -> None:
            while True:
                due, data = await on_the_way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if data == _END:
                    writer.close()
                    return
                writer.write(data)

        await asyncio.gather(read(), write())
