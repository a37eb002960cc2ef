"""What is recorded of a stack in secret: encrypted under the stack's passphrase, and read again in no time. Pure.

The passphrase is generated (crmhost makes one of 256 bits for each customer), so a key is derived from it at once: the
million rounds that Pulumi spends on a passphrase of a person's would cost every plan a second. AES-256-GCM.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crm.errors import CrmhostError, Refused

SHORTEST = 20
"""Characters of a passphrase that was not thought up by a person."""


def seal(passphrase: str, stack: str, text: str) -> str:
    """Return the text encrypted, each time another one; raises Refused for a passphrase that could be guessed."""
    if len(passphrase) < SHORTEST:
        raise Refused(
            f"{stack}: the stack's passphrase has {len(passphrase)} characters, so it could be guessed",
            "Let crmhost generate it: remove yours, or set one of at least 20 random characters.",
        )
    nonce = os.urandom(12)
    return b64encode(nonce + _key(passphrase).encrypt(nonce, text.encode(), stack.encode())).decode()


def unseal(passphrase: str, stack: str, sealed: str) -> str:
    """Return the text; raises CrmhostError where the passphrase is another one or the text was changed."""
    try:
        raw = b64decode(sealed, validate=True)
        return _key(passphrase).decrypt(raw[:12], raw[12:], stack.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise CrmhostError(
            f"{stack}: the passphrase does not open what is recorded of the stack, or that was changed",
            "Set the passphrase that the stack was made with, or take the stack's folder from a backup.",
        ) from error


def _key(passphrase: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=b"crmhost stack configuration").derive(passphrase.encode()))
