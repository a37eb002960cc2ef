"""Connecting to an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.engine.dial import dialer
from infra.engine.engine import Engine
from infra.engine.reach import Reach, ssh_opts

__all__ = ["Engine", "Reach", "connect", "ssh_opts"]


@contextmanager
def connect(reach: Reach) -> Iterator[Engine]:
    """Give the engine, once it has answered.

    Raises HostError with the remedy: engine down, host unreachable, key refused, host key unknown or changed,
    certificates missing or not believed.
    """
    line = dialer(reach)
    try:
        engine = Engine(reach, line)
    except BaseException:
        line.close()
        raise
    try:
        yield engine
    finally:
        engine.close()
