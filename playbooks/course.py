"""What a deploy on a host over SSH keeps in mind while it goes on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm.plan import Release
from crm.steps import Due, Records
from playbooks.kept import Place
from playbooks.manifest import Manifest

STEPS = "steps"
"""The log of what the steps printed, among the processes' logs."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a candidate, and then the release at its customers' address, have to become ready."""

    candidate: float = 90.0
    serving: float = 60.0


@dataclass(frozen=True, slots=True)
class Course:
    """The release whose steps are run: what is wanted, or a kept one; known: its slots."""

    manifest: Manifest
    known: Mapping[str, str]
    records: Records
    due: Due


def still(place: Place, candidate: Release) -> str:
    """Return a sentence that says who serves after a candidate has failed."""
    if place.serving is None:
        return "Nothing served before, and nothing serves now; the candidate is kept for inspection."
    if place.serving == candidate.id:
        return f"{candidate.id} goes on with the processes that were started before."
    return f"{place.serving} still serves; the candidate is kept for inspection."
