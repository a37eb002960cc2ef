"""What a contract promises of backups now, and whether this version of crmhost can make them where the CRM runs."""

from __future__ import annotations

from contract.amend import at
from contract.duration import Micros
from contract.model import Contract
from contract.moment import first_instant
from contract.service import Backup
from contract.term import end_of, zone_of
from contract.unkept import backed_up
from crm.errors import Refused


def promised(contract: Contract, now: Micros) -> Backup | None:
    """Return how often the contract promises a backup, and how long each is kept; None: it promises none."""
    protection = at(contract, now).data_protection
    return None if protection is None else protection.backup


def owed(contract: Contract, now: Micros) -> Backup | None:
    """Return what is promised, where crmhost makes backups and the service has been accepted and has not ended."""
    accepted, lasts = contract.term.starts or contract.term.accepted, contract.term.lasts
    if accepted is None or contract.term.accepted is None or not can_back_up(contract, now):
        return None
    local = zone_of(contract)
    if first_instant(accepted, local) > now or (lasts is not None and end_of(accepted, lasts, local) <= now):
        return None
    return promised(contract, now)


def can_back_up(contract: Contract, now: Micros) -> bool:
    """Tell whether crmhost makes backups where this CRM runs."""
    return backed_up(at(contract, now).target)


def refuse_other_kinds(contract: Contract, now: Micros) -> None:
    """Raise Refused for a contract whose CRM runs where crmhost makes no backups."""
    if not can_back_up(contract, now):
        raise Refused(
            f"{contract.id}: target.kind: {at(contract, now).target.kind}: this version of crmhost cannot copy what"
            " runs there: it knows Docker hosts, servers with sudo, and web hosts",
            "Back it up by other means; crmhost check warns where a contract promises backups there.",
        )
