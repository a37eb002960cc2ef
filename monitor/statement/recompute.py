"""The figures of a period, computed again from the files that travel beside its statement. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from contract.model import Contract
from contract.parse import parse
from crm.errors import CrmhostError
from monitor import evidence
from monitor.sla.output import as_json
from monitor.sla.recompute import recompute
from monitor.statement.calendar_file import holidays_in
from monitor.statement.canonical import Json
from monitor.statement.document import CONTRACT_FILE, EVIDENCE_FILE, Files


def figures(files: Files, period: str) -> Mapping[str, Json]:
    """Return the object of `crmhost sla --json` for a period; raises CrmhostError for files that cannot be used."""
    spans = evidence.parse(files.evidence, EVIDENCE_FILE)
    return as_json(recompute(contract_in(files.contract), spans, period, holidays_in(files.calendar)))


def contract_in(raw: bytes) -> Contract:
    """Return the contract that a file's bytes say; raises CrmhostError with its first mistake."""
    parsed = parse(raw, "-")
    if parsed.contract is None:
        first = parsed.errors[0]
        raise CrmhostError(f"{CONTRACT_FILE}: {first}")
    return parsed.contract
