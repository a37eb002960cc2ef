"""The errors that a user can mend: one paragraph that says what failed, why, and what to do."""

from __future__ import annotations


class CrmhostError(Exception):
    """Base of every error that is shown without a traceback.

    `what` names the path or resource and what was found; `remedy` says what to do.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what if not remedy else f"{what}\n{remedy}")
        self.what = what
        self.remedy = remedy


class Refused(CrmhostError):
    """What was asked is not allowed, or not built yet; nothing was done."""


class HostError(CrmhostError):
    """The target could not be reached, or did not do what it was told."""


class StepUnfinished(HostError):
    """A step that may never be run again by itself was begun, and nothing says that it has ended."""


class LockHeld(CrmhostError):
    """Somebody else is at work on the target; names step and holder."""


class GateFailed(CrmhostError):
    """The candidate did not become ready; the release that served before still serves."""
