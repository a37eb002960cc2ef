"""The real Pulumi for tests; where it is missing, the first one to ask installs it.

`python -m tests.support.toolchain` does so ahead of the tests.
"""

from __future__ import annotations

import os
import sys

import pytest

from crm.errors import CrmhostError
from infra.toolchain import Toolchain, default_cache, find, install


def bring() -> Toolchain:
    """Return Pulumi: the one on PATH, else the one in the user's cache, which is filled first."""
    cache = default_cache(os.environ)
    try:
        return find(os.environ, cache)
    except CrmhostError:
        return install(cache, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """Return the real Pulumi."""
    return bring()


if __name__ == "__main__":
    bring()
