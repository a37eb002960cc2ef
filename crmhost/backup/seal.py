"""Sealing a stream for the fleet's recipients with age, and opening it again; nothing plain is kept on the way.

An age stream is authenticated piece by piece and knows its end, so a flipped byte and a cut are both found.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import BinaryIO, cast

import pyrage

from crm.errors import CrmhostError
from crmhost.vault import parse_recipients


def seal(source: BinaryIO, sink: BinaryIO, recipients: Sequence[str]) -> None:
    """Encrypt `source` to its end into `sink`, readable by every recipient. Raises what reading or writing raised."""
    if not recipients:
        raise CrmhostError(
            "crmhost.yaml names no age recipient, so nobody could open a backup",
            "Add yours to `recipients:`; `crmhost secrets identity` prints it.",
        )
    reader, writer = _Honest(source), _Honest(sink)
    try:
        pyrage.encrypt_io(reader, writer, parse_recipients(recipients))
    except pyrage.EncryptError as error:
        raise reader.failure or writer.failure or CrmhostError(f"sealing failed: {error}") from error


def unseal(source: BinaryIO, sink: BinaryIO, identity: pyrage.x25519.Identity, what: str) -> None:
    """Decrypt `source` to its end into `sink`; raises CrmhostError naming `what` for a wrong identity or a bad byte.

    Where a byte is bad, what stood before it has been written to `sink` by then.
    """
    reader, writer = _Honest(source), _Honest(sink)
    try:
        pyrage.decrypt_io(reader, writer, [identity])
    except pyrage.DecryptError as error:
        if reader.failure is not None:
            raise reader.failure from error
        if "matching keys" in str(error):
            raise CrmhostError(
                f"{what}: is sealed for other recipients than this identity",
                "Open it with the identity of somebody whom crmhost.yaml named when it was made.",
            ) from error
        raise damaged(what) from error
    except OSError as error:
        raise reader.failure or writer.failure or damaged(what) from error


def damaged(what: str) -> CrmhostError:
    """Return the error for a sealed file whose bytes are not those that were written."""
    return CrmhostError(
        f"{what}: is damaged: its bytes are not those that were written", "Use another one: crmhost backup NAME list"
    )


class Hashed(io.RawIOBase):
    """A stream to write to or to read from that counts and digests what goes through."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """Return the SHA-256 so far, in hex."""
        return self._digest.hexdigest()

    def readable(self) -> bool:
        """Tell that it can be read, where its stream can."""
        return True

    def writable(self) -> bool:
        """Tell that it can be written to, where its stream can."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read from the stream."""
        return self._count(self._stream.read(size))

    def write(self, data: bytes) -> int:  # type: ignore[override]  # typeshed has a private type here
        """Write all of it to the stream."""
        self._stream.write(data)
        return len(self._count(data))

    def as_stream(self) -> BinaryIO:
        """Return itself, as what it can stand for."""
        return cast(BinaryIO, self)

    def _count(self, data: bytes) -> bytes:
        self._digest.update(data)
        self.size += len(data)
        return data


class _Honest:
    """Keeps the error of the stream itself, of which the library passes on nothing but the text."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except BaseException as failure:
            self.failure = failure
            raise

    def write(self, data: bytes) -> int:
        try:
            self._stream.write(data)
        except BaseException as failure:
            self.failure = failure
            raise
        return len(data)

    def flush(self) -> None:
        self._stream.flush()
