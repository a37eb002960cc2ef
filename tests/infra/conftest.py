"""The cloud's fixtures that need crmhost's own driver, for the tests of this folder."""

from __future__ import annotations

from tests.support.cloud import hosting
from tests.support.ingress import ingress

__all__ = ["hosting", "ingress"]
