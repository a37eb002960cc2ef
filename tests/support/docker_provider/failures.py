"""How an operation ends when it does not succeed."""

from __future__ import annotations

from tests.support.docker_provider.values import Properties


class Failed(Exception):
    """Nothing was made or changed; the text is shown."""


class Unfinished(Exception):
    """The resource exists but is not what was asked for: it is kept in the state, with the reason."""

    def __init__(self, identity: str, state: Properties, reason: str) -> None:
        super().__init__(reason)
        self.identity = identity
        self.state = state
        self.reason = reason
