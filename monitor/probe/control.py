"""Control targets: does this vantage's own network work? Asked only when a probe has failed.

A target is `host:port`; a TCP connection to one of them is enough. A failed probe is judged by a check that began no
earlier than itself; failures that come while a check is under way wait for it, so a network that dies under ten
thousand contracts costs one check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from contract.model import Micros
from monitor.probe.result import Outcome, Request

PATIENCE: Micros = 5_000_000
"""How long a control target is waited for."""

_PREFIX = "control "
"""No contract id holds a blank, so no outcome of a contract is taken for one of a control target."""


@dataclass(slots=True)
class _Check:
    began: Micros
    waiting: set[str]
    held: list[Outcome] = field(default_factory=list)
    alive: bool | None = None


class Controls:
    """The checks of each list of control targets. Instants are of the steady clock."""

    def __init__(self) -> None:
        self._checks: dict[tuple[str, ...], _Check] = {}
        self._asked: dict[str, _Check] = {}
        self._count = 0

    def judge(
        self, targets: tuple[str, ...], failed: Outcome, began: Micros, now: Micros
    ) -> tuple[bool | None, Sequence[Request]]:
        """Judge an outcome that failed, of a probe that began then: whether the network works, where that is known.

        Where it is not, the outcome is held. The requests are probes to begin now; their outcomes go to `take`, which
        gives back what was held for them.
        """
        check = self._checks.get(targets)
        if check is not None and check.began >= began:
            if check.alive is None:
                check.held.append(failed)
            return check.alive, ()
        older = check.held if check is not None else []
        requests = [self._request(target) for target in targets]
        fresh = _Check(now, {request.name for request in requests}, [*older, failed])
        older.clear()  # the fresh check judges them as well
        self._checks[targets] = fresh
        self._asked.update((request.name, fresh) for request in requests)
        return None, requests

    def take(self, outcome: Outcome) -> list[tuple[Outcome, bool]] | None:
        """Take in an outcome; None where it is none of a control target, else the failures that it settles, judged."""
        if not outcome.name.startswith(_PREFIX):
            return None
        check = self._asked.pop(outcome.name)
        check.waiting.discard(outcome.name)
        if check.alive is not None or not (outcome.ok or not check.waiting):
            return []
        check.alive = outcome.ok
        held, check.held = check.held, []
        return [(one, check.alive) for one in held]

    def _request(self, target: str) -> Request:
        self._count += 1
        return Request(f"{_PREFIX}{self._count}", f"http://{target}/", PATIENCE, connect_only=True)
