"""The gate: a release is asked, inside its own container, by its name on the ingress's network, until it is ready."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from crm.errors import GateFailed, HostError
from infra import naming
from infra.asking import Site, masked, tail
from infra.engine.engine import Engine
from infra.release import asked_at
from infra.rollout import Placed

WEB = "web"
_PAUSE = 0.1
"""Seconds between the first two questions; each pause is half as long again as the one before, up to a second."""
_LOG_LINES = 12
_RESTARTS = 3
"""How often Docker may have started the process again: the database may come up a moment after it."""


@dataclass(frozen=True, slots=True)
class _Found:
    held: bool
    text: str
    alive: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a release has to become ready."""

    candidate: float = 90.0


def ready(site: Site, patience: Patience, clock: Callable[[], float] = time.monotonic) -> float:
    """Wait until the release's web process reaches its database; returns the seconds that it took.

    It is asked as the ingress will ask it: by its slot's name on that network, with the site's own host name. Raises
    GateFailed, with the end of the log, when it ended by itself or patience has run out.
    """
    begun, pause = clock(), _PAUSE
    while True:
        found = _ask(site.engine, site.contract, site.placed)
        seconds = clock() - begun
        if found.held:
            return seconds
        if not found.alive or seconds > patience.candidate:
            raise _failure(site, found, seconds)
        time.sleep(pause)
        pause = min(1.0, pause * 1.5)


def _ask(engine: Engine, contract: str, placed: Placed) -> _Found:
    name = naming.process(contract, placed.tag, WEB)
    seen = engine.container(name)
    if seen is None or not seen.running:
        state = "there is no such container" if seen is None else f"its process is {seen.state} (exit {seen.code})"
        return _Found(held=False, text=state, alive=seen is not None and seen.restarts < _RESTARTS)
    argv = asked_at(placed, f"{naming.web_alias(placed.slot, placed.host)}:{naming.WEB_PORT}")
    try:
        output = engine.execute(name, argv, timeout=20.0)
    except HostError as failure:  # it ended at this moment, or it hangs: the next look tells
        return _Found(held=False, text=failure.what, alive=True)
    return _Found(output.code == 0, output.text, alive=True)


def _failure(site: Site, found: _Found, seconds: float) -> GateFailed:
    placed, name = site.placed, naming.process(site.contract, site.placed.tag, WEB)
    log = ""
    with contextlib.suppress(HostError):  # there is no such container
        log = masked(site.engine.logs(name, _LOG_LINES).decode("utf-8", "replace"), site.want)
    lines = f"; its log ends with:\n{tail(log)}" if log.strip() else "; its log is empty"
    said = found.text.strip()[:200]
    return GateFailed(
        f"{placed.release.id} did not become ready: after {seconds:.0f} s, {said!r}, not {placed.health[-1]!r}{lines}"
    )
