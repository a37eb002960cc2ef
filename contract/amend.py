"""Contracts over time: which terms hold at an instant, and by which a period is settled."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from contract.base import Model
from contract.model import SECTIONS, Amendment, Contract, Micros
from contract.moment import first_instant
from contract.period import Period
from contract.term import bounds, contract_year, sla_begins, zone_of


def begins(contract: Contract, amendment: Amendment) -> Micros:
    """Return the first instant of an amendment; a date is read in the zone of the contract as first agreed."""
    return first_instant(amendment.start, zone_of(contract))


def at(contract: Contract, instant: Micros) -> Contract:
    """Return the contract as it is agreed at an instant, without amendments of its own.

    What was amended later leaves it as it was; what was amended before has its latest form.
    """
    held = [amendment for amendment in contract.amendments if begins(contract, amendment) <= instant]
    changes: dict[str, Any] = {}
    for amendment in held:
        changes |= {name: value for name in SECTIONS if (value := getattr(amendment, name)) is not None}
    return contract.model_copy(update=changes | {"amendments": ()})


def for_period(contract: Contract, period: Period) -> Contract:
    """Return the terms that a period is settled by: those agreed at its first instant.

    So an amendment of the SLA or the fee takes effect with the first period that begins on or after its date.
    """
    return at(contract, period.start)


def canonical(contract: Contract) -> bytes:
    """Return a contract's terms as canonical JSON: the file's grammar, exact texts, sorted keys, with defaults."""
    return _canonical(contract.model_dump(mode="json", exclude_none=True))


def terms_digest(contract: Contract, period: Period) -> str:
    """Return `sha256:…` of what a period's settlement depends on: SLA, fee, vantages, and the term within the period.

    Two files that say the same have the same digest, whatever their layout or the defaults that they write out. A
    name, a contact, a later amendment or a longer term changes nothing.
    """
    terms = for_period(contract, period)
    billing = terms.billing
    parts = {
        "sla": terms.sla,
        "holidays": terms.sla_holidays,
        "fee": billing.fee if billing is not None else None,
    }
    data: dict[str, Any] = {name: _dump(part) for name, part in parts.items() if part is not None}
    data |= {"vantages": terms.monitor.vantages, "quorum": terms.monitor.quorum}
    data |= {"contract": terms.contract, "period": [period.start, period.end], "term": _term_within(terms, period)}
    return f"sha256:{hashlib.sha256(_canonical(data)).hexdigest()}"


def _dump(part: Model) -> dict[str, Any]:
    return part.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def _term_within(terms: Contract, period: Period) -> list[Micros | None]:
    """Return from when to when of a period the SLA's clock runs, and the contract year that its fee is a part of."""
    if terms.sla is None:
        return []
    begin, limits = sla_begins(terms.term, terms.sla.period), bounds(terms.term, terms.sla.period)
    if begin is None or limits is None:
        return []
    within: list[Micros | None] = [max(begin, period.start), min(limits[1] or period.end, period.end)]
    if terms.billing is not None and terms.billing.fee is not None and terms.billing.fee.every == "year":
        within += contract_year(terms.term, terms.sla.period, max(period.start, limits[0])) or ()
    return within


def _canonical(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
