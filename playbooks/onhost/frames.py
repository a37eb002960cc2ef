"""Runs on the host, and here: bytes in a stream whose end is told, so that a cut is never taken for it.

A piece is its length (4 bytes, big-endian) and its bytes. The length 0 ends what is told; several such may follow one
another. The length REFUSED is followed by one last piece: why the writer gave up.
"""

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

PIECE = 1 << 16
"""Bytes of a piece at most."""
REFUSED = 0xFFFFFFFF
TOO_LONG = 1 << 20


class Cut(Exception):
    """The stream ended before it told its end, or what arrives is none of it."""


class Refusal(Exception):
    """The writer gave up, and says why."""


class Sink:
    """Writes pieces to a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Write data as pieces; nothing where there is none."""
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self._stream.write(len(piece).to_bytes(4, "big") + piece)
        return len(data)

    def end(self) -> None:
        """Tell that this part is whole."""
        self._stream.write(bytes(4))
        self._stream.flush()

    def refuse(self, why: str) -> None:
        """Tell that nothing more comes."""
        self._stream.write(REFUSED.to_bytes(4, "big"))
        self.write(why.encode()[:PIECE])
        self._stream.flush()


def pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the pieces of one part, to its end; `read` returns fewer bytes than asked at the end of the stream alone.

    Raises Cut or Refusal.
    """
    while (size := int.from_bytes(_exactly(read, 4), "big")) != 0:
        if size == REFUSED:
            raise Refusal(_exactly(read, int.from_bytes(_exactly(read, 4), "big")).decode(errors="replace"))
        yield _exactly(read, size)


class Source(io.RawIOBase):
    """One part as a file to read from."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts = parts
        self._held = memoryview(b"")

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # typeshed has a private type here
        """Fill the buffer as far as one piece goes; 0 at the end."""
        if not self._held:
            self._held = memoryview(next(self._parts, b""))
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    if size > TOO_LONG:
        raise Cut(f"a piece of {size} bytes was told")
    data = read(size)
    if len(data) != size:
        raise Cut("the stream ended before it told its end")
    return data
