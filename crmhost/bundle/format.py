"""The form of a bundle: a tar whose every byte is fixed by its signed manifest. The standard library alone is used.

First comes the manifest, then its signature, then the files in the manifest's order. A reader never trusts what a tar
says of itself: it knows each header from the manifest, compares it byte for byte, and hashes what follows. So nothing
in the file can be changed, added, left out or moved, and no name in it leads anywhere. `tar -tf` lists it all the same.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from crm.errors import CrmhostError
from crmhost.bundle.ground import Ground

VERSION = 1
MANIFEST, SIGNATURE, PROGRAM = "manifest.json", "manifest.sig", "install.pyz"
KIND = "crmhost bundle"
MAX_MANIFEST = 4 << 20  # bytes
MAX_FILES = 10_000
MAX_SIZE = 1 << 40  # bytes of one file
_SIGNATURE = 128  # hexadecimal digits of an Ed25519 signature
_BLOCK = 512  # bytes; a tar's unit
_PIECE = 1 << 20  # bytes that are read at once
_ZEROS = b"\0" * _BLOCK
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+%~!-]{0,199}(?:/[A-Za-z0-9_][A-Za-z0-9_.+%~!-]{0,199}){0,3}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("contract", "crm", "artifact", "crmhost", "made", "key")

Proof: TypeAlias = Callable[[bytes, str, str], bool]
"""Tells whether a signature (hexadecimal) over these bytes is of that public key (hexadecimal)."""
Sink: TypeAlias = Callable[["Piece", Iterator[bytes]], None]
"""Takes a file's content, a part at a time; what it has taken counts only once the whole bundle was read."""


class BadBundle(CrmhostError):
    """The file is no bundle, or not the one that was signed; nothing was done."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a bundle: its path in it, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself, and what is signed.

    crm: recipe and version; artifact: the digest of what that is made of. crmhost: the version that made it. made: an
    instant, as text. key: the short name of the key that signed it. ground: the sort of server that it is for.
    """

    contract: str
    crm: str
    artifact: str
    crmhost: str
    made: str
    key: str
    ground: Ground
    files: tuple[Piece, ...]

    def below(self, folder: str) -> tuple[Piece, ...]:
        """Return the files whose path begins with that folder."""
        return tuple(piece for piece in self.files if piece.path.startswith(f"{folder}/"))

    @property
    def size(self) -> int:
        """Return how many bytes its files have together."""
        return sum(piece.size for piece in self.files)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "version": VERSION,
            "kind": KIND,
            **{name: getattr(self, name) for name in _TEXTS},
            "ground": self.ground.plain(),
            "files": [[piece.path, piece.size, piece.sha256] for piece in self.files],
        }


def encoded(manifest: Manifest) -> bytes:
    """Return the bytes that are signed: JSON in its one canonical spelling (RFC 8785), as all keys are ASCII."""
    return json.dumps(manifest.plain(), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def decoded(raw: bytes) -> Manifest:
    """Return the manifest that `raw` spells byte for byte; raises BadBundle for everything else."""
    try:
        found = json.loads(raw.decode())
        if found["version"] != VERSION or found["kind"] != KIND:
            raise BadBundle(
                f"this is version {str(found['version'])[:20]} of {str(found['kind'])[:40]!r}, and this crmhost reads"
                f" version {VERSION} of {KIND!r}",
                "Make it anew: crmhost bundle NAME",
            )
        files = tuple(_piece(*said) for said in found["files"])
        manifest = Manifest(**{name: found[name] for name in _TEXTS}, ground=Ground(**found["ground"]), files=files)
        whole = encoded(manifest) == raw
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadBundle(f"its manifest cannot be read: {type(error).__name__}") from error
    if not whole:
        raise BadBundle("its manifest is not in the one form that a manifest has")
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    """Refuse what no manifest of ours says, however well it is signed."""
    texts = [*(getattr(manifest, name) for name in _TEXTS), *manifest.ground.plain().values()]
    if not all(isinstance(text, str) and text.isprintable() and len(text) < 200 for text in texts):
        raise BadBundle("its manifest holds what is no text")
    if not 0 < len(manifest.files) <= MAX_FILES:
        raise BadBundle(f"it has {len(manifest.files)} files; a bundle has at most {MAX_FILES}")
    folders: set[str] = set()
    for piece in manifest.files:
        folders.update(piece.path[:at] for at, letter in enumerate(piece.path) if letter == "/")
    paths = [piece.path for piece in manifest.files]
    if paths != sorted(set(paths), key=_order):
        raise BadBundle("its files are not in order")
    if clash := folders.intersection(paths):
        raise BadBundle(f"{min(clash)} is a file and a folder")


def _piece(path: Any, size: Any, sha256: Any) -> Piece:  # noqa: ANN401 -- whatever JSON can say
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise BadBundle("one of its files has a path that no bundle has")
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise BadBundle(f"{path}: its size cannot be right")
    if not isinstance(sha256, str) or not _DIGEST.fullmatch(sha256):
        raise BadBundle(f"{path}: its checksum is no SHA-256")
    return Piece(path, size, sha256)


def _order(path: str) -> tuple[bool, str]:
    """Return what sorts the program first, so that it is found without reading the rest."""
    return path != PROGRAM, path


def in_order(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Return the files in the order of a bundle."""
    return tuple(sorted(pieces, key=lambda piece: _order(piece.path)))


def read_head(source: BinaryIO, key: str, proof: Proof) -> Manifest:
    """Return the manifest of a bundle, proven to be signed by `key`; the source stands at the first file then.

    Raises BadBundle.
    """
    header = _exactly(source, _BLOCK)
    try:
        size = int(header[124:135], 8)
    except ValueError:
        raise BadBundle("this is no bundle of crmhost") from None
    if not 0 < size <= MAX_MANIFEST or header != _header(MANIFEST, size):
        raise BadBundle("this is no bundle of crmhost")
    raw = b"".join(_content(source, size))
    _same(source, _header(SIGNATURE, _SIGNATURE))
    signature = b"".join(_content(source, _SIGNATURE)).decode("ascii", "replace")
    if not proof(raw, signature, key):
        raise BadBundle(
            "it is not signed by this key: it was changed, or somebody else made it",
            "Compare the key with the one that `crmhost bundle --show-key` prints where bundles are made.",
        )
    return decoded(raw)


def read_files(source: BinaryIO, manifest: Manifest, sink: Sink) -> None:
    """Read every file to the end of the bundle, each to the sink, and check it against the manifest.

    Raises BadBundle at the first byte that differs, and for bytes behind the end: then nothing that the sink has taken
    may be used.
    """
    for piece in manifest.files:
        _same(source, _header(piece.path, piece.size))
        digest = hashlib.sha256()
        sink(piece, _hashed(_content(source, piece.size), digest.update))
        if digest.hexdigest() != piece.sha256:
            raise BadBundle(f"{piece.path}: it is not the file that was signed")
    _same(source, _ZEROS * 2)
    if source.read(1):
        raise BadBundle("there is something behind its end")


def into(folder: Path) -> Sink:
    """Return the sink that writes files below a folder, which is empty; nobody else may read them."""

    def write(piece: Piece, parts: Iterator[bytes]) -> None:
        path = folder / piece.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb") as file:
            path.chmod(0o600)
            for part in parts:
                file.write(part)

    return write


def write(sink: BinaryIO, raw: bytes, signature: str, files: Iterable[tuple[Piece, Path]]) -> None:
    """Write a bundle: the manifest's bytes, its signature, and the files in order.

    Raises BadBundle where a file is not what the manifest says of it.
    """
    head = ((MANIFEST, raw), (SIGNATURE, signature.encode()))
    sink.writelines(_header(name, len(content)) + content + _padding(len(content)) for name, content in head)
    for piece, path in files:
        sink.write(_header(piece.path, piece.size))
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(_PIECE):
                digest.update(part)
                sink.write(part)
        if digest.hexdigest() != piece.sha256:
            raise BadBundle(f"{path}: changed while the bundle was written")
        sink.write(_padding(piece.size))
    sink.write(_ZEROS * 2)


def piece_of(path: str, file: Path) -> Piece:
    """Return what the manifest says of a file here."""
    with file.open("rb") as opened:
        return Piece(path, file.stat().st_size, hashlib.file_digest(opened, "sha256").hexdigest())


def _header(path: str, size: int) -> bytes:
    """Return the only header that a file of that path and size has."""
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode, entry.mtime = size, 0o644, 0
    return entry.tobuf(tarfile.GNU_FORMAT)


def _content(source: BinaryIO, size: int) -> Iterator[bytes]:
    left = size
    while left > 0:
        part = source.read(min(left, _PIECE))
        if not part:
            raise BadBundle("it ends in the middle: only a part of it was copied", "Copy it again.")
        left -= len(part)
        yield part
    _same(source, _padding(size))


def _hashed(parts: Iterator[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for part in parts:
        update(part)
        yield part


def _padding(size: int) -> bytes:
    return b"\0" * (-size % _BLOCK)


def _same(source: BinaryIO, expected: bytes) -> None:
    if _exactly(source, len(expected)) != expected:
        raise BadBundle("what is in it differs from what was signed")


def _exactly(source: BinaryIO, size: int) -> bytes:
    found = source.read(size)
    if len(found) != size:
        raise BadBundle("it ends in the middle: only a part of it was copied", "Copy it again.")
    return found
