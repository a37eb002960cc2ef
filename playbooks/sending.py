"""Sending files through a program on the host, where there is no SFTP: one tar that `tar` unpacks there."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from playbooks.kind import Put
from playbooks.shell import sh
from playbooks.terminal import safe
from playbooks.wire import Channel, Wire

_BLOCK = 512  # bytes; a tar's unit
_PIECE = 1 << 20  # bytes that are handed over at once
_REASON = 64 * 1024  # bytes of an answer

_RECEIVE = sh(
    """\
umask 077; \
e=$( {{ if test -L "$1"; then echo "$1 is a symbolic link"; exit 1; fi; \
mkdir -p "$1" && chmod 700 "$1" && cd "$1" && tar -x -m -f -; }} 2>&1 ); \
c=$?; printf "\\n%s\\ncrmhost-received %d\\n" "$e" "$c\""""
)


def send(wire: Wire, puts: Sequence[Put], folder: str, timeout: float) -> None:
    """Write the files into a folder of the host that only the program's account may enter; it is made when missing.

    Each file is 0600 before its first byte. timeout: seconds that one answer may take. Raises OSError for what the host
    refused, and what the wire raises.
    """
    command = sh("sh -c {receive} crmhost {folder}", receive=_RECEIVE.text, folder=folder)
    with closing(wire.channel(timeout)) as channel:
        channel.settimeout(timeout)
        channel.exec_command(command.text)
        unsent = _hand_over(channel, wire, puts)
        answer = _answer(channel, timeout)
    said, mark, code = answer.rpartition(b"\ncrmhost-received ")
    if mark and code.strip() == b"0" and unsent is None:
        return
    if not mark and unsent is not None:
        raise unsent
    raise OSError(safe(said.decode("utf-8", "replace").strip() or "the host ended it without a word", 1000))


def _hand_over(channel: Channel, wire: Wire, puts: Sequence[Put]) -> Exception | None:
    """Send the tar; return what went wrong: a host that stops reading may have said why before."""
    try:
        for piece in _tar(puts):
            channel.sendall(piece)
        channel.shutdown_write()
    except TimeoutError:
        raise
    except wire.errors as error:
        return error
    return None


def _answer(channel: Channel, timeout: float) -> bytes:
    answer = b""
    until = time.monotonic() + timeout
    while len(answer) < _REASON:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        data = channel.recv(8192)
        if not data:
            break
        answer += data
    return answer


def _tar(puts: Sequence[Put]) -> Iterator[bytes]:
    """Yield a tar of the files, a piece at a time."""
    for put in puts:
        entry = tarfile.TarInfo(put.name)
        entry.size, entry.mode = len(put.content), 0o600
        yield entry.tobuf(tarfile.GNU_FORMAT)
        for start in range(0, len(put.content), _PIECE):
            yield put.content[start : start + _PIECE]
        yield b"\0" * (-len(put.content) % _BLOCK)
    yield b"\0" * (2 * _BLOCK)
