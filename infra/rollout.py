"""What a customer's stack is asked to hold: the input of the Pulumi program, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from crm.errors import Refused
from crm.plan import Release


@dataclass(frozen=True, slots=True)
class Rollout:
    """The releases that exist side by side in one stack, and which of them serves.

    Two at the most: the one that serves and one candidate. Pulumi is no health gate, so the program never decides
    which release serves: crmhost probes the candidate itself and then asks for a rollout without the other one.
    Raises Refused for a rollout that no sequence of crmhost's makes.
    """

    contract: str
    releases: tuple[Release, ...]
    serving: str | None

    def __post_init__(self) -> None:
        names = [release.id for release in self.releases]
        if len(names) > 2 or len(set(names)) != len(names):
            raise Refused(
                f"{self.contract}: a stack holds one release and one candidate, not {', '.join(names)}",
                "Finish the deploy that is under way: crmhost deploy " + self.contract,
            )
        if self.serving is not None and self.serving not in names:
            raise Refused(
                f"{self.contract}: {self.serving} is to serve, but the stack holds {', '.join(names) or 'nothing'}",
                "A release serves until another one has taken over: crmhost deploy " + self.contract,
            )

    @property
    def candidate(self) -> Release | None:
        """Return the release that is not serving yet, if there is one."""
        return next((release for release in self.releases if release.id != self.serving), None)
