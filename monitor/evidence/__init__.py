"""Evidence: the spans and exclusions that a period is settled from, as values and as JSON Lines."""

from monitor.evidence.model import CustomerCause, Evidence, Window
from monitor.evidence.read import parse, read
from monitor.evidence.strict import EvidenceError, Problem
from monitor.evidence.write import canonical, digest, line_of

__all__ = [
    "CustomerCause",
    "Evidence",
    "EvidenceError",
    "Problem",
    "Window",
    "canonical",
    "digest",
    "line_of",
    "parse",
    "read",
]
