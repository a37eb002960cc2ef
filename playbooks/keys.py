"""Which keys are offered to a host, and opening those that have a passphrase.

A passphrase is never on a command line; where it comes from is the caller's to say. A key that was opened is kept while
the ring lives, so that two hosts on the way ask for its passphrase once.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from crm.errors import HostError
from playbooks.route import Stop
from playbooks.terminal import safe_line

if TYPE_CHECKING:
    import paramiko

_AGENT_KEYS = 4  # a server ends the connection after MaxAuthTries (default 6) wrong keys
_DEFAULTS = ("id_ed25519", "id_ecdsa", "id_rsa")
_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A passphrase to try, and where it came from."""

    origin: str
    text: str = field(repr=False)


Phrases: TypeAlias = Callable[[Path], Iterable[Phrase]]
"""Yields the passphrases to try for a key file, one after another while they are wrong."""


def no_phrases(_key: Path) -> tuple[Phrase, ...]:
    """Know no passphrase."""
    return ()


@dataclass(frozen=True, slots=True)
class Offer:
    """A key to offer and where it came from; without a key, why it is left out."""

    source: str
    key: paramiko.PKey | None
    why: str = ""


class Ring:
    """The keys of one user. phrases: where passphrases come from; home: whose `.ssh` has the default keys."""

    def __init__(self, phrases: Phrases = no_phrases, home: Path | None = None) -> None:
        self._phrases = phrases
        self._home = home
        self._opened: dict[Path, paramiko.PKey] = {}
        self._asking = threading.Lock()

    def offers(self, stop: Stop) -> Iterator[Offer]:
        """Yield the keys to offer, each made ready when it is its turn; raises HostError for a bad key of the fleet.

        First those that are named (by the user's configuration, then by the fleet); then, where they are not to be the
        only ones, the agent's; where none is named, the default keys, those with a passphrase last.
        """
        agent = _agent()
        for path in stop.identities:
            yield from self._named(path, agent)
        if stop.key is not None:
            yield Offer(*self._ready(stop.key, agent))
        if stop.others:
            yield from (Offer(f"agent {key.fingerprint}", key) for key in list(agent.values())[:_AGENT_KEYS])
        if stop.others and not stop.identities:
            paths = [path for name in _DEFAULTS if (path := self._folder() / name).is_file()]
            locked = {path: _has_passphrase(path) for path in paths}
            for path in sorted(paths, key=lambda path: locked[path]):
                yield from self._named(path, agent)

    def _folder(self) -> Path:
        return (self._home or Path.home()) / ".ssh"

    def _named(self, path: Path, agent: Mapping[bytes, paramiko.PKey]) -> Iterator[Offer]:
        try:
            yield Offer(*self._ready(path, agent))
        except HostError as error:
            yield Offer(str(path), None, error.what.removeprefix(f"{path}: "))

    def _ready(self, path: Path, agent: Mapping[bytes, paramiko.PKey]) -> tuple[str, paramiko.PKey]:
        """Return the key of a file, from the agent where that has it open already."""
        if not _has_passphrase(path):
            return str(path), _load(path, None)
        held = agent.get(_public(path) or b"")
        if held is not None:
            return f"{path} (agent)", held
        with self._asking:  # one question at a time, and none that was answered
            if path not in self._opened:
                self._opened[path] = self._open(path)
            return str(path), self._opened[path]

    def _open(self, path: Path) -> paramiko.PKey:
        tried = ""
        for phrase in self._phrases(path):
            tried = phrase.origin
            try:
                return _load(path, phrase.text)
            except _WrongPhrase:
                continue
        if tried:
            raise HostError(
                f"{path}: the passphrase from {tried} does not open it",
                f"Give the right one, or add the key to your agent: ssh-add {path}",
            )
        raise HostError(
            f"{path}: the key has a passphrase",
            f"Add it to your agent: ssh-add {path}; or name a file with the passphrase: CRMHOST_SSH_PASSPHRASE_FILE.",
        )


class _WrongPhrase(Exception):
    """The passphrase does not open the key."""


def _agent() -> dict[bytes, paramiko.PKey]:
    """Return the agent's keys by their public halves, in its order."""
    import paramiko

    if not os.environ.get("SSH_AUTH_SOCK"):
        return {}
    return {key.asbytes(): key for key in paramiko.Agent().get_keys()}


def _has_passphrase(path: Path) -> bool:
    """Return whether a key is encrypted; a file that is no key at all is not."""
    import paramiko

    try:
        _load(path, None)
    except HostError as error:
        # cryptography's word for it is TypeError
        return isinstance(error.__cause__, paramiko.PasswordRequiredException | TypeError)
    return False


def _load(path: Path, phrase: str | None) -> paramiko.PKey:
    import paramiko
    from paramiko.pkey import UnknownKeyType

    try:
        if phrase is None:
            return paramiko.PKey.from_path(path)
        return paramiko.PKey.from_path(path, phrase.encode())  # type: ignore[arg-type] # cryptography, below, wants bytes
    except (paramiko.PasswordRequiredException, TypeError) as error:
        raise HostError(f"{path}: the key has a passphrase") from error
    except FileNotFoundError as error:
        raise HostError(f"{path}: no such key file", "Name the private key to log in with.") from error
    except (OSError, ValueError, paramiko.SSHException, UnknownKeyType) as error:
        if phrase is not None and not isinstance(error, OSError):
            raise _WrongPhrase from error  # without one it was read far enough to ask for one
        raise HostError(
            f"{path}: not a private key that can be read: {safe_line(str(error))}",
            "Give an OpenSSH private key (ed25519, ecdsa or rsa), readable by you.",
        ) from error


def _public(path: Path) -> bytes | None:
    """Return the public half of a key that is encrypted: from the file beside it, else from the plain part of it."""
    try:
        beside = path.with_name(f"{path.name}.pub")
        if beside.is_file():
            return base64.b64decode(beside.read_text("utf-8").split()[1])
        body = base64.b64decode("".join(path.read_text("ascii").strip().splitlines()[1:-1]))
        rest = body.removeprefix(_MAGIC)
        for _ in range(3):  # cipher, key derivation, its options
            rest = rest[4 + int.from_bytes(rest[:4], "big") :]
        rest = rest[4:]  # how many keys: always one
        return rest[4 : 4 + int.from_bytes(rest[:4], "big")] if body.startswith(_MAGIC) else None
    except (OSError, ValueError, IndexError, binascii.Error):
        return None
