"""Ed25519 signatures over canonical bytes, and the text form of keys: 64 lower-case hexadecimal digits."""

from __future__ import annotations

import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crm.errors import CrmhostError

_HEX_KEY = re.compile(r"[0-9a-f]{64}")
_HEX_SIGNATURE = re.compile(r"[0-9a-f]{128}")


class BadKey(CrmhostError):
    """A key is not what a key looks like."""


class SigningKey:
    """The operator's private key. Its `repr` shows the public half only."""

    __slots__ = ("_private", "public")

    def __init__(self, seed: bytes) -> None:
        """Make the key from its 32 secret bytes; raises BadKey for another length."""
        if len(seed) != 32:
            raise BadKey(
                f"a signing key is 32 bytes, and {len(seed)} were given", "Make a new one with `crmhost init`."
            )
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public!r})"

    def sign(self, raw: bytes) -> str:
        """Return the signature of `raw` as 128 hexadecimal digits; the same bytes give the same signature."""
        return self._private.sign(raw).hex()


def parse_public_key(text: str) -> str:
    """Return the key that `text` spells (64 hexadecimal digits, `ed25519:` before them or not); raises BadKey."""
    key = text.strip().removeprefix("ed25519:").lower()
    if not _HEX_KEY.fullmatch(key):
        shown = text.strip()[:20]
        raise BadKey(
            f"{shown!r} is no Ed25519 public key",
            "A key is 64 hexadecimal digits, as the contract's `statement-key` and `crmhost statement` show it.",
        )
    return key


def key_id(public: str) -> str:
    """Return the short name of a public key: enough to tell two keys apart, and proof of nothing."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16]


def signature_holds(raw: bytes, signature: object, public: str) -> bool:
    """Tell whether `signature` (as `SigningKey.sign` writes it, in that spelling only) is `public`'s over `raw`."""
    if not isinstance(signature, str) or not _HEX_SIGNATURE.fullmatch(signature):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), raw)
    except InvalidSignature:
        return False
    return True
