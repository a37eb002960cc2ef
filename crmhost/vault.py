"""The fleet's secrets: one age-encrypted file each, readable by every recipient that the fleet names.

`secrets/<owner>/<name>.age`; the owner is a contract's id, or `_fleet`. The identity that decrypts them is never in
the fleet: it comes from CRMHOST_AGE_KEY, from the file that CRMHOST_AGE_KEY_FILE names, or from
`~/.config/crmhost/age.key`. A secret may also come from the environment: CRMHOST_SECRET_ACME_ADMIN_PASSWORD, or the
same with _FILE for a file that holds it.
"""

from __future__ import annotations

import re
import secrets as randomness
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyrage

from crm.errors import CrmhostError
from crmhost.files import read_text, write_private

FLEET = "_fleet"
_NAME = re.compile(r"[a-z0-9_][a-z0-9._-]{0,62}")


def identity_file(environment: Mapping[str, str]) -> Path:
    """Return where this user's identity lies unless the environment says otherwise."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "crmhost" / "age.key"


def load_identity(environment: Mapping[str, str]) -> pyrage.x25519.Identity:
    """Return the age identity; raises CrmhostError saying where it was looked for."""
    text = environment.get("CRMHOST_AGE_KEY")
    origin = "CRMHOST_AGE_KEY"
    if not text:
        path = Path(environment.get("CRMHOST_AGE_KEY_FILE") or identity_file(environment))
        origin = str(path)
        if not path.exists():
            raise CrmhostError(
                f"{path}: no age identity here, so the fleet's secrets cannot be read",
                "Set CRMHOST_AGE_KEY_FILE to yours, or make one: crmhost secrets identity",
            )
        text = read_text(path)
    for line in text.splitlines():
        if line.startswith("AGE-SECRET-KEY-"):
            try:
                return pyrage.x25519.Identity.from_str(line.strip())
            except pyrage.IdentityError:
                break
    raise CrmhostError(
        f"{origin}: holds no valid age identity", "It must have a line that begins with AGE-SECRET-KEY-1."
    )


def make_identity(path: Path) -> str:
    """Write a new identity to `path` (mode 0600), unless one is there, and return its recipient (public half)."""
    if path.exists():
        return str(load_identity({"CRMHOST_AGE_KEY_FILE": str(path)}).to_public())
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    write_private(path, f"# public key: {recipient}\n{identity}\n".encode())
    path.parent.chmod(0o700)
    return recipient


def generate_password() -> str:
    """Return a new secret: 32 random bytes as 43 characters that need no quoting anywhere."""
    return randomness.token_urlsafe(32)


@dataclass(frozen=True)
class Vault:
    """The secrets folder of one fleet. `identity` is asked for only when something must be decrypted."""

    folder: Path
    recipients: tuple[str, ...]
    environment: Mapping[str, str]

    def names(self) -> tuple[tuple[str, str], ...]:
        """Return (owner, name) of every stored secret, sorted."""
        return tuple(sorted((path.parent.name, path.stem) for path in self.folder.glob("*/*.age")))

    def get(self, owner: str, name: str) -> str | None:
        """Return the secret's text, or None where there is none; raises CrmhostError when it cannot be decrypted."""
        given = self._from_environment(owner, name)
        if given is not None:
            return given
        path = self._path(owner, name)
        if not path.exists():
            return None
        try:
            return bytes(pyrage.decrypt(path.read_bytes(), [load_identity(self.environment)])).decode()
        except (pyrage.DecryptError, UnicodeDecodeError, OSError) as error:
            raise CrmhostError(
                f"{path}: cannot be decrypted with this identity",
                "Somebody who can read it must add your recipient to crmhost.yaml and run: crmhost secrets rekey",
            ) from error

    def set(self, owner: str, name: str, value: str) -> None:
        """Store a secret for every recipient, in place of the one that was there."""
        write_private(self._path(owner, name), self._encrypt(value))

    def ensure(self, owner: str, name: str, make: Callable[[], str] = generate_password) -> str:
        """Return the secret, made and stored on first use."""
        value = self.get(owner, name)
        if value is None:
            value = make()
            self.set(owner, name, value)
        return value

    def rekey(self) -> int:
        """Encrypt every secret anew for today's recipients, and return how many there were.

        All are decrypted before the first is written, so a secret that this identity cannot read changes nothing.
        """
        stored = Vault(self.folder, self.recipients, _without_given(self.environment))
        values = [(owner, name, stored.get(owner, name)) for owner, name in self.names()]
        for owner, name, value in values:
            if value is not None:
                self.set(owner, name, value)
        return len(values)

    def _encrypt(self, value: str) -> bytes:
        if not self.recipients:
            raise CrmhostError(
                f"{self.folder}: crmhost.yaml names no age recipient, so nothing can be kept here",
                "Add yours to `recipients:`; `crmhost secrets identity` prints it.",
            )
        return bytes(pyrage.encrypt(value.encode(), parse_recipients(self.recipients)))

    def _path(self, owner: str, name: str) -> Path:
        for word in (owner, name):
            if not _NAME.fullmatch(word):
                raise CrmhostError(f"{word!r} is no name of a secret", "Use lower-case letters, digits and hyphens.")
        return self.folder / owner / f"{name}.age"

    def _from_environment(self, owner: str, name: str) -> str | None:
        key = "CRMHOST_SECRET_" + re.sub(r"[^A-Z0-9]", "_", f"{owner.strip('_')}_{name}".upper())
        if key in self.environment:
            return self.environment[key]
        if f"{key}_FILE" in self.environment:
            return read_text(Path(self.environment[f"{key}_FILE"])).removesuffix("\n")
        return None


def _without_given(environment: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environment.items() if not key.startswith("CRMHOST_SECRET_")}


def parse_recipients(texts: Sequence[str]) -> list[pyrage.x25519.Recipient]:
    """Return the recipients that crmhost.yaml names; raises CrmhostError that names one that is none."""
    recipients = []
    for text in texts:
        try:
            recipients.append(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError as error:
            raise CrmhostError(
                f"crmhost.yaml: recipients: {text!r} is no age recipient", "It begins with age1."
            ) from error
    return recipients
