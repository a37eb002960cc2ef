"""Rules between the values of a contract: what makes a promise that cannot be kept or computed an error.

Each rule is a function from the sections that could be read to findings; one whose sections are missing or have
mistakes of their own says nothing.
"""

from collections.abc import Callable, Iterator

from contract import lan, odd, reach, sftponly, unkept, webhost
from contract.duration import SECOND, duration_text
from contract.explain import Finding, did_you_mean
from contract.holidays import COUNTRIES, Holidays
from contract.model import Amendment, Fee, Micros, Money
from contract.moment import first_instant, short_text, zone
from contract.sections import Sections
from contract.sla import Credit, CyclePeriod, Multiplier, Tiers
from contract.term import bounds, end_of, signed_at

SYSTEMS = ("webhook", "file")
"""The billing systems that credits can be delivered to."""
_LATER = frozenset({"stripe", "killbill", "whmcs", "lago", "fossbilling", "odoo", "erpnext", "invoice-ninja", "blesta"})
_KILLBILL_LIMIT = 1_000_000
_SHORTEST_INTERVAL: Micros = SECOND // 10
_WHERE = {"local-network": "lan", "cloud-server": "cloud", "web-server": "webhost"}

Rule = Callable[[Sections], Iterator[Finding]]


def check(sections: Sections) -> Iterator[Finding]:
    """Yield what is wrong between values that could be read, what is odd, and what is not kept yet."""
    for rule in (_vantages, _timing, _tiers, _credit, _billing, _dates, _term, _crm, _url, _installation, _holidays):
        yield from rule(sections)
    yield from reach.check(sections)
    yield from webhost.check(sections)
    yield from sftponly.check(sections)
    yield from lan.check(sections)
    yield from odd.check(sections)
    yield from unkept.check(sections)


def _vantages(sections: Sections) -> Iterator[Finding]:
    monitor = sections.monitor
    if monitor is None:
        return
    count = len(monitor.vantages)
    seen: set[str] = set()
    for index, name in enumerate(monitor.vantages):
        if name in seen:
            yield Finding(("monitor", "vantages", index), "name each vantage once")
        seen.add(name)
    if not count < 2 * monitor.quorum <= 2 * count:
        least = count // 2 + 1
        allowed = f"{least}" if least == count else f"from {least} to {count}"
        yield Finding(("monitor", "quorum"), f"more than half of the {count} vantages must agree: write {allowed}")


def _timing(sections: Sections) -> Iterator[Finding]:
    """Yield intervals that cannot be measured; a timeout longer than the interval is refused as Prometheus does.

    Probes of one service would overlap, and how far a vantage's knowledge reaches would depend on which ends first.
    """
    monitor, sla = sections.monitor, sections.sla
    if monitor is not None and monitor.timeout > monitor.interval:
        yield Finding(
            ("monitor", "timeout"),
            f"write at most the interval, {duration_text(monitor.interval)}: probes must not overlap",
        )
    if monitor is not None and monitor.interval < _SHORTEST_INTERVAL:
        yield Finding(("monitor", "interval"), f"write at least {duration_text(_SHORTEST_INTERVAL)}")
    if sla is not None and isinstance(sla.period, CyclePeriod) and sla.period.every < SECOND:
        yield Finding(("sla", "period", "every"), "write at least 1 s")


def _tiers(sections: Sections) -> Iterator[Finding]:
    credit = sections.sla.credit if sections.sla is not None else None
    if credit is None or not isinstance(credit.formula, Tiers):
        return
    seen = set()
    for index, tier in enumerate(credit.formula.tiers):
        path = ("sla", "credit", "formula", "tiers", index)
        if (tier.percent is None) == (tier.days is None):
            found = "neither 'percent' nor 'days'" if tier.percent is None else "both 'percent' and 'days'"
            yield Finding(path, "write one of them, as in {below: 99.9 %, percent: 10}", found)
        if tier.days is not None and credit.unit == "money":
            yield Finding(
                (*path, "days"), "days are service time: write 'percent', or 'unit: service-time'", "days of money"
            )
        if tier.below in seen:
            yield Finding((*path, "below"), "name each availability once")
        seen.add(tier.below)


def _credit(sections: Sections) -> Iterator[Finding]:
    credit = sections.sla.credit if sections.sla is not None else None
    if credit is None:
        return
    path = ("sla", "credit")
    if credit.cap.per_outage is not None and not isinstance(credit.formula, Multiplier):
        yield Finding(
            (*path, "cap", "per-outage"), "only 'multiplier' pays for each outage: write 'per-period', or that formula"
        )
    fee = sections.billing.fee if sections.billing is not None else None
    if credit.unit == "money" and fee is None and "billing" not in sections.broken:
        yield Finding(
            (*path, "unit"),
            "add 'fee: {amount: 1200000 VND, every: month}' to billing, or write service-time",
            "money without a fee",
        )
    yield from _minimum(credit, fee)


def _minimum(credit: Credit, fee: Fee | None) -> Iterator[Finding]:
    path, minimum = ("sla", "credit", "minimum"), credit.minimum
    if minimum is None:
        return
    if credit.unit == "money" and not isinstance(minimum, Money):
        yield Finding(path, "the credit is money: write an amount, as in 1.00 USD")
    elif credit.unit == "service-time" and isinstance(minimum, Money):
        yield Finding(path, "the credit is service time: write a length, as in 60 s")
    elif isinstance(minimum, Money) and fee is not None and minimum.currency != fee.amount.currency:
        yield Finding(path, f"the fee is in {fee.amount.currency}: write the minimum in it too")


def _billing(sections: Sections) -> Iterator[Finding]:
    billing = sections.billing
    if billing is None or billing.system in SYSTEMS:
        return
    known = " or ".join(SYSTEMS)
    if billing.system in _LATER:
        yield Finding(("billing", "system"), f"crmhost cannot deliver to {billing.system} yet: write {known}")
    else:
        yield Finding(("billing", "system"), f"{did_you_mean(billing.system, SYSTEMS)}write {known}")
    if billing.system == "killbill" and billing.fee is not None and billing.fee.amount.amount >= _KILLBILL_LIMIT:
        yield Finding(
            ("billing", "fee", "amount"),
            "Kill Bill's amounts end below 1000000: choose another system for this currency",
        )


def _dates(sections: Sections) -> Iterator[Finding]:
    """Yield dates of the term in an order that cannot be."""
    term, sla = sections.term, sections.sla
    if term is None or term.accepted is None or term.signed is None:
        return
    local = zone(sla.period.timezone if sla is not None else "UTC")
    if first_instant(term.accepted, local) < first_instant(term.signed, local):
        yield Finding(
            ("term", "accepted"), "a contract is accepted after it was signed: write that date or a later one"
        )


def _term(sections: Sections) -> Iterator[Finding]:
    term, sla = sections.term, sections.sla
    if term is None:
        return
    local = zone(sla.period.timezone if sla is not None else "UTC")
    begins = term.starts or term.accepted
    if begins is None or term.lasts is None:
        return
    start, end = first_instant(begins, local), end_of(begins, term.lasts, local)
    if term.renewal_notice is not None and term.renewal_notice >= end - start:
        yield Finding(("term", "renewal-notice"), "write less than the term lasts")
    if term.accepted is not None and first_instant(term.accepted, local) >= end:
        yield Finding(("term", "accepted"), f"the term ends at {short_text(end)}: accept before, or mend 'lasts'")


def _crm(sections: Sections) -> Iterator[Finding]:
    crm, target = sections.crm, sections.target
    if crm is None:
        return
    if target is not None and target.kind != "saas" and not crm.version:
        yield Finding(("crm",), "add it, as in 'version: 2.8.6'", "no 'version'")


def _url(sections: Sections) -> Iterator[Finding]:
    crm, target = sections.crm, sections.target
    if crm is not None and target is not None and target.kind == "cloud" and crm.url.startswith("http:"):
        yield Finding(("crm", "url"), "a Docker host's ingress answers over TLS alone: write an https URL")


def _installation(sections: Sections) -> Iterator[Finding]:
    installation, target = sections.installation, sections.target
    if installation is None or installation.where is None or target is None:
        return
    if _WHERE[installation.where] != target.kind:
        yield Finding(("installation", "where"), f"the target is '{target.kind}': make them agree")


def _holidays(sections: Sections) -> Iterator[Finding]:
    for path, choice in (
        (("sla", "holidays"), sections.sla.holidays if sections.sla is not None else None),
        (("support", "holidays"), sections.support.holidays if sections.support is not None else None),
    ):
        if isinstance(choice, Holidays) and choice.country is not None and choice.country not in COUNTRIES:
            remedy = "its holidays are not known: write '{add: [2026-02-17, …]}' with each day"
            yield Finding(path, remedy, f"the country {choice.country}")


def check_order(amendments: tuple[Amendment, ...], sections: Sections) -> Iterator[Finding]:
    """Yield amendments that do not follow what was before them, or that would tear the periods."""
    spec = sections.sla.period if sections.sla is not None else None
    local = zone(spec.timezone if spec is not None else "UTC")
    signed = signed_at(sections.term, spec) if sections.term is not None else None
    limits = bounds(sections.term, spec) if sections.term is not None and spec is not None else None
    last: Micros | None = None
    for index, amendment in enumerate(amendments):
        path = ("amendments", index, "from")
        start = first_instant(amendment.start, local)
        if last is not None and start <= last:
            yield Finding(path, "write amendments in the order of their dates, each later than the one before")
        if signed is not None and start < signed:
            yield Finding(
                path, "a contract is amended after it was signed: write a later date, or mend the terms themselves"
            )
        if limits is not None and limits[1] is not None and start >= limits[1] and amendment.term is None:
            remedy = f"the term ends at {short_text(limits[1])}: write an earlier date, or amend 'term' too"
            yield Finding(path, remedy, severity="warning")
        if amendment.sla is not None and spec is not None and amendment.sla.period != spec:
            yield Finding(
                ("amendments", index, "sla", "period"),
                "periods would overlap or leave a gap: end this contract and write a new one",
                "another period",
            )
        if spec is None and amendment.sla is not None:
            spec = amendment.sla.period
        last = start
