"""A settlement as one JSON object (version 1), as `crmhost sla --json` prints it, and as rows for people.

Ratios are `"n/d"` in lowest terms, and beside them six decimals rounded down; instants are UTC with six decimals;
lengths are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias

from contract.moment import instant_text
from contract.money import money_text
from monitor.sla.credit import Due
from monitor.sla.exclusions import Rejected
from monitor.sla.settle import Settlement

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"

VERSION = 1


def as_json(settlement: Settlement) -> dict[str, Json]:
    """Return the object of `crmhost sla --json`. It has no floats, so it has one canonical form."""
    figures, terms = settlement.figures, settlement.terms
    return {
        "version": VERSION,
        "period": {"from": instant_text(terms.start), "to": instant_text(terms.end)},
        "base_us": figures.base,
        "down_us": figures.down,
        "unknown_us": figures.unknown,
        "excluded_us": figures.excluded,
        "coverage": _ratio(figures.coverage),
        "coverage_decimal": _decimal(figures.coverage),
        "availability": _ratio(figures.availability),
        "availability_decimal": _decimal(figures.availability),
        "target": _ratio(terms.sla.availability),
        "target_decimal": _decimal(terms.sla.availability),
        "breached": figures.breached,
        "credit": _credit(settlement.owed.due),
        "outages": _outages(settlement),
        "rejected": [_rejected(one) for one in settlement.rejected],
        "needs_approval": _needs_approval(settlement),
        "ignored_vantages": list(settlement.ignored),
    }


def rows(settlement: Settlement) -> list[tuple[str, str]]:
    """Return what a person reads, as names and values, in order."""
    figures, terms = settlement.figures, settlement.terms
    found = [
        ("period", f"{terms.label} ({instant_text(terms.start)} – {instant_text(terms.end)})"),
        ("base", _seconds(figures.base)),
        ("down", f"{_seconds(figures.down)} in {len(figures.outages)} outage(s)"),
        ("excluded", _seconds(figures.excluded)),
        ("unknown", f"{_seconds(figures.unknown)} (coverage {_percent(figures.coverage)})"),
        ("availability", f"{_percent(figures.availability)} (promised {_percent(terms.sla.availability)})"),
        ("breached", {None: "not measured", True: "yes", False: "no"}[figures.breached]),
        ("credit", _owed(settlement.owed.due)),
    ]
    found += [("rejected", f"{_span(one.window.start, one.window.end)}: {one.why}") for one in settlement.rejected]
    if figures.doubtful:
        found.append(("needs approval", f"coverage is under {_percent(terms.sla.minimum_coverage)}"))
    found += [("needs approval", f"{_span(*one)}: unknown between down and down") for one in settlement.unbridged]
    return found + [("ignored", f"spans of vantage {name}: not in the contract") for name in settlement.ignored]


def _ratio(value: Fraction | None) -> str | None:
    return None if value is None else f"{value.numerator}/{value.denominator}"


def _decimal(value: Fraction | None, places: int = 6) -> str | None:
    """Spell a ratio (0 or more) with its decimals rounded down."""
    if value is None:
        return None
    whole, rest = divmod(value.numerator * 10**places // value.denominator, 10**places)
    return f"{whole}.{rest:0{places}}"


def _credit(due: Due | None) -> Json:
    if due is None:
        return None
    if due.money is not None:
        amount, currency = money_text(due.money).split(" ")
        return {"unit": "money", "amount": amount, "currency": currency, "unrounded": _ratio(due.unrounded)}
    return {"unit": "service-time", "seconds": due.seconds, "unrounded": _ratio(due.unrounded)}


def _outages(settlement: Settlement) -> list[Json]:
    """List the outages that count in this period; where the formula charges each, with its charge and earlier ones."""
    charges = {charge.outage.start: charge for charge in settlement.owed.charges}
    found: list[Json] = []
    for outage in settlement.figures.outages:
        said: dict[str, Json] = {
            "from": instant_text(outage.start),
            "to": instant_text(outage.end),
            "down_us": outage.counted,
        }
        if charge := charges.get(outage.start):
            said |= {"charged_us": _ratio(charge.charged), "charged_before_us": _ratio(charge.before)}
        found.append(said)
    return found


def _rejected(rejected: Rejected) -> Json:
    window = rejected.window
    return {
        "exclusion": "maintenance",
        "from": instant_text(window.start),
        "to": instant_text(window.end),
        "announced": instant_text(window.announced),
        "why": rejected.why,
    }


def _needs_approval(settlement: Settlement) -> list[Json]:
    doubts: list[Json] = []
    if settlement.figures.doubtful:
        doubts.append({"why": "coverage", "minimum": _ratio(settlement.terms.sla.minimum_coverage)})
    for start, end in settlement.unbridged:
        doubts.append({"why": "unknown-between-down", "from": instant_text(start), "to": instant_text(end)})
    return doubts


def _seconds(micros: int) -> str:
    return f"{_decimal(Fraction(micros, 1_000_000))} s"


def _percent(ratio: Fraction | None) -> str:
    return "–" if ratio is None else f"{_decimal(100 * ratio, 4)} %"


def _span(start: int, end: int) -> str:
    return f"{instant_text(start)} – {instant_text(end)}"


def _owed(due: Due | None) -> str:
    if due is None:
        return "none"
    return money_text(due.money) if due.money else f"{due.seconds} s of service time"
