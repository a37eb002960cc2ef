"""paramiko, imported without what it brings and nobody here needs."""

from __future__ import annotations

import importlib
import sys


def import_lean() -> None:
    """Import paramiko without invoke.

    paramiko runs `Match exec` lines of SSH configurations with it; none of them gets that far, and it makes
    up a quarter of what an operation that finds nothing to do costs.
    """
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        return
    sys.modules["invoke"] = None  # type: ignore[assignment] # Python's own way to say: not to be had
    try:
        importlib.import_module("paramiko")
    finally:
        del sys.modules["invoke"]
