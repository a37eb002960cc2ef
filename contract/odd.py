"""What is legal but odd in a contract: warnings, each with what is probably meant."""

from collections.abc import Iterator

from contract.duration import HOUR, CalendarDuration, duration_text
from contract.explain import Finding
from contract.moment import first_instant, zone
from contract.sections import Sections
from contract.sla import Credit, CyclePeriod, PerHour, PerPoint, Sla, Tiers
from contract.target import WebHost


def check(sections: Sections) -> Iterator[Finding]:
    """Yield what is odd between values that could be read."""
    for path, remedy, found in _all(sections):
        yield Finding(path, remedy, found, "warning")


def _all(sections: Sections) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    sla = sections.sla
    if sla is not None:
        yield from _sla(sla)
        yield from _maintenance(sla)
        if sla.credit is not None:
            yield from _steps(sla, sla.credit)
            yield from _credit(sla.credit)
    elif "sla" not in sections.broken:
        yield (), "add 'sla:' when availability is promised", "no 'sla', so nothing is judged"
    yield from _around(sections)
    yield from _unproven(sections)
    yield from _plain_http(sections)
    yield from _cycles(sections)
    yield from _dates(sections)
    yield from _term(sections)


def _sla(sla: Sla) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    if sla.unknown == "up":
        yield (
            ("sla", "unknown"),
            "time that nobody measured counts as kept: write 'leave-out' unless that is agreed",
            None,
        )
    if sla.credit is None:
        yield ("sla",), "add 'credit:' when a breach pays", "no 'credit', so a breach pays nothing"
    if sla.holidays is not None and sla.hours is None:
        yield ("sla", "holidays"), "add 'hours:', or delete it", "holidays of a promise that holds at all hours"
    if isinstance(sla.period, CyclePeriod) and sla.ignore_shorter_than >= sla.period.every:
        yield ("sla", "ignore-shorter-than"), "no outage of one period counts: write less than the cycle", None


def _maintenance(sla: Sla) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    maintenance = sla.maintenance
    if maintenance is None:
        return
    path = ("sla", "maintenance")
    if maintenance.notice == 0:
        yield (
            (*path, "notice"),
            "an outage can be announced as it begins: write how long before, as in 48 h",
            "no notice",
        )
    if maintenance.at_most is None:
        yield path, "any length can be excluded: add it, as in 'at-most: 4 h'", "no 'at-most'"


def _steps(sla: Sla, credit: Credit) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    """Yield formulas whose steps are so coarse that a breach can pay nothing."""
    path, formula = ("sla", "credit", "formula"), credit.formula
    if isinstance(formula, Tiers):
        highest = max(tier.below for tier in formula.tiers)
        if highest < sla.availability:
            yield (
                (*path, "tiers"),
                "a breach above the highest tier pays nothing: add a tier at the promised availability",
                ("no tier at the promised availability"),
            )
        yield from _tiers(sla, formula)
    if isinstance(formula, PerPoint) and formula.per_point_short == "full":
        yield (
            (*path, "per-point-short"),
            "less than one percentage point short pays nothing: write 'started' unless meant",
            None,
        )
    if isinstance(formula, PerHour) and formula.per == "full-hour":
        yield (*path, "per"), "less than one hour pays nothing: write 'started-hour' unless meant", None
    if isinstance(formula, PerHour) and credit.cap.per_period is None:
        yield (
            ("sla", "credit"),
            "hours add up without end: add it, as in 'cap: {per-period: 100 %}'",
            "percent per hour without a cap",
        )


def _tiers(sla: Sla, formula: Tiers) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    path = ("sla", "credit", "formula", "tiers")
    for index, tier in enumerate(formula.tiers):
        if tier.below > sla.availability:
            yield (*path, index, "below"), "availability this good is no breach, so it pays nothing there", None
        for other in formula.tiers:
            worse = other.below < tier.below
            if worse and ((other.percent or 0) < (tier.percent or 0) or (other.days or 0) < (tier.days or 0)):
                yield (*path, index), "a lower availability pays less than this one: check the tiers", "tiers that fall"
                break


def _credit(credit: Credit) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    path = ("sla", "credit")
    if credit.unit == "service-time" and credit.round != "half-up":
        yield (*path, "round"), "service time is rounded up to a second: delete it", None
    if credit.prorate == "30-days" and (
        credit.unit == "service-time" or isinstance(credit.formula, Tiers | PerHour | PerPoint)
    ):
        yield (*path, "prorate"), "only 'multiplier' of money is divided by 30 days: delete it", None


def _around(sections: Sections) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    monitor = sections.monitor
    if monitor is not None and "monitor" in sections.written:
        if monitor.confirm == 1:
            yield ("monitor", "confirm"), "one lost packet is an outage: write 2 or more unless meant", None
        if monitor.interval > HOUR:
            yield ("monitor", "interval"), "an outage can pass unseen: write minutes, as in 1 min", None
    credit = sections.sla.credit if sections.sla is not None else None
    if credit is not None and sections.billing is None and "billing" not in sections.broken:
        yield ("sla", "credit"), "add 'billing: {system: webhook, account: …}'", "credit that is delivered nowhere"
    support = sections.support
    if support is not None and support.complaint is not None and not support.complaint.sends:
        yield ("support", "complaint", "sends"), "nothing is sent back: write [result, plan]", None


def _unproven(sections: Sections) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    target, kept = sections.target, sections.data_protection
    if not isinstance(target, WebHost) or kept is None or kept.backup is None:
        return
    if target.database.kind == "mysql" and target.database.scratch is None:
        yield (
            ("data-protection", "backup"),
            "add 'target.database.scratch', a second database made in the host's panel: a copy needs one of its own",
            "backups that nobody can prove, since no copy can be brought up from them",
        )


def _cycles(sections: Sections) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    sla, monitor = sections.sla, sections.monitor
    if sla is None or not isinstance(sla.period, CyclePeriod):
        return
    if monitor is not None and sla.period.every < monitor.interval:
        interval = duration_text(monitor.interval)
        yield ("sla", "period", "every"), f"some periods have no probe: write at least the interval, {interval}", None
    fee = sections.billing.fee if sections.billing is not None else None
    if fee is not None and fee.every == "month":
        yield (
            ("billing", "fee", "every"),
            "the periods are cycles, not months: write 'every: period' and a cycle's price",
            None,
        )


def _dates(sections: Sections) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    term = sections.term
    if term is not None and term.accepted is not None and term.signed is None:
        yield ("term", "accepted"), "add 'signed': nothing is deployed before it", "'accepted' without 'signed'"
    if term is not None and term.renewal_notice is not None and term.lasts is None:
        yield ("term", "renewal-notice"), "add 'lasts', as in 'lasts: 1 year'", "a notice of an end that is not there"


def _plain_http(sections: Sections) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    """Yield what is odd about http; on a Docker host it is an error (contract.rules)."""
    crm, target = sections.crm, sections.target
    if crm is None or not crm.url.startswith("http:") or (target is not None and target.kind == "cloud"):
        return
    encrypt = sections.data_protection.encrypt if sections.data_protection is not None else None
    if encrypt is not None and encrypt.in_transit:
        yield ("crm", "url"), "data-protection promises encryption in transit: write an https URL", None
    elif not _is_loopback(crm.url):
        yield ("crm", "url"), "passwords travel unencrypted: write an https URL", None


def _is_loopback(url: str) -> bool:
    return url.startswith(("http://127.", "http://localhost", "http://[::1]"))


def _term(sections: Sections) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    term, sla = sections.term, sections.sla
    if term is None or sla is None:
        return
    local = zone(sla.period.timezone)
    begins, accepted, signed = (
        first_instant(when, local) if when is not None else None for when in (term.starts, term.accepted, term.signed)
    )
    path = ("term", "starts")
    if begins is not None and accepted is not None and begins < accepted:
        yield path, "the term begins before it was accepted; the SLA's clock waits for 'accepted'", None
    if begins is not None and signed is not None and begins < signed:
        yield path, "the term begins before it was signed: check the dates", None
    calendar = None if isinstance(sla.period, CyclePeriod) else sla.period.calendar
    if calendar is not None and isinstance(term.lasts, CalendarDuration):
        named = "jalali" if term.lasts.unit.startswith("jalali") else "gregorian"
        if named != calendar:
            yield (
                ("term", "lasts"),
                f"the periods are {calendar.capitalize()} months, and the last one is cut: write its year or month",
                None,
            )
