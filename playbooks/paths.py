"""Paths on a host: relative ones are below the account's home folder."""

from __future__ import annotations

import hashlib
import posixpath


def at(key: str) -> str:
    """Return the path of a key as a word that no program takes for an option."""
    return key if key.startswith("/") else f"./{key}"


def parent(key: str) -> str:
    """Return the folder of a path, as a word that no program takes for an option."""
    return at(posixpath.dirname(key) or ".")


def staged(key: str) -> str:
    """Return a name for the key's file in the staging folder: short, and different for different keys."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:24]
