"""The fleet's own known-hosts file, in OpenSSH's format: which key a host showed when it was first met."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path

from crm.errors import HostError


@dataclass(frozen=True, slots=True)
class Known:
    """One pinned key: its type, its bytes, and the line of the file that has it."""

    algorithm: str
    key: bytes
    line: int

    @property
    def fingerprint(self) -> str:
        """Return the key's fingerprint as OpenSSH shows it."""
        return fingerprint(self.key)


def fingerprint(key: bytes) -> str:
    """Return `SHA256:…` of a public key's bytes, as OpenSSH shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def name_of(host: str, port: int) -> str:
    """Return how the file calls a host: `host`, or `[host]:port` where the port is not 22."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def look_up(path: Path, name: str) -> tuple[Known, ...]:
    """Return the keys pinned for a host, none when the file is missing; raises HostError for a line of another form."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{path}: cannot read the pinned host keys: {error}", "Mend the file or its mode.") from error
    found: list[Known] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3 or words[0].startswith("@"):
            raise HostError(
                f"{path}:{number}: not a pinned host key: {line[:80]!r}",
                "Each line is `host algorithm key`, without markers; remove or mend this one.",
            )
        if any(_matches(pattern, name) for pattern in words[0].split(",")):
            found.append(Known(words[1], _decoded(path, number, words[2]), number))
    return tuple(found)


def pin(path: Path, name: str, algorithm: str, key: bytes) -> None:
    """Add a key to the file (mode 0600) in one write under a lock of the file; raises HostError."""
    line = f"{name} {algorithm} {base64.b64encode(key).decode()}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "r+b", closefd=True) as file:  # noqa: PTH123 - a descriptor, not a path
            fcntl.flock(file, fcntl.LOCK_EX)
            os.fchmod(descriptor, 0o600)
            torn = file.seek(0, os.SEEK_END) > 0 and os.pread(descriptor, 1, file.tell() - 1) != b"\n"
            os.write(descriptor, (("\n" if torn else "") + line).encode())
            os.fsync(descriptor)
    except OSError as error:
        raise HostError(f"{path}: cannot pin the host key: {error.strerror}", "Make the file writable.") from error


def _matches(pattern: str, name: str) -> bool:
    if not pattern.startswith("|1|"):
        return pattern.lower() == name
    try:
        _, _, salt, digest = pattern.split("|")
        return hmac.compare_digest(hmac.digest(base64.b64decode(salt), name.encode(), "sha1"), base64.b64decode(digest))
    except (ValueError, binascii.Error):
        return False


def _decoded(path: Path, number: int, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise HostError(f"{path}:{number}: the key is not base64", "Remove or mend the line.") from error
