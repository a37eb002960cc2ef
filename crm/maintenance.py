"""What customers are shown while nobody may be inside."""

from __future__ import annotations

from importlib import resources

RETRY_AFTER = 120
"""Seconds after which the maintenance page asks browsers to come back."""


def page() -> str:
    """Return the page, which is the same wherever a CRM runs."""
    return resources.files("crm").joinpath("maintenance.html").read_text(encoding="utf-8")


def shown(status: int, text: str) -> bool:
    """Tell whether an answer is the page, whatever became of its ends of lines on the way."""
    return status == 503 and _joined(text) == _joined(page())


def _joined(text: str) -> str:
    return text.replace("\r", "").replace("\n", "")
