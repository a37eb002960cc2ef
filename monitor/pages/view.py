"""What a statement's page shows, as texts in its language: the template only places them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contract.model import Micros, MonthPeriod
from contract.moment import instant, zone
from contract.period import Period
from monitor import evidence
from monitor.evidence import Evidence
from monitor.intervals import Stretches, intersect, subtract
from monitor.pages.bar import Mark, Painted, Shade, marks, ticks
from monitor.pages.speech import Speech, speech
from monitor.pages.steps import Step, owed_text, steps
from monitor.sla.combine import Timeline
from monitor.sla.exclusions import grant
from monitor.sla.recompute import recompute
from monitor.sla.settle import Settlement, timeline_of
from monitor.statement.calendar_file import holidays_in
from monitor.statement.canonical import Json, NotCanonical, digest, parse_canonical
from monitor.statement.document import EVIDENCE_FILE, Files
from monitor.statement.recompute import contract_in

MOST_ROWS = 200
"""More outages than this are counted and not listed: the file has them all."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a credit: the outbox row's state, the receipt, and whether the credit was reversed since."""

    state: str
    receipt: str | None = None
    reversed: bool = False


@dataclass(frozen=True, slots=True)
class OutageRow:
    """One outage of the table."""

    start: str
    end: str
    length: str
    counted: str


@dataclass(frozen=True, slots=True)
class ExclusionRow:
    """One exclusion of the table, and whether it was granted."""

    kind: str
    start: str
    end: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class StatementView:
    """Everything on a statement's page. `verdict` is `kept`, `broken` or `not_measured`."""

    say: Speech
    customer: str
    contract: str
    title: str
    span: str
    zone: str
    revision: int
    sequence: int
    issued: str
    approved: str | None
    verdict: str
    availability: str
    target: str
    credit: str
    is_time: bool
    credit_key: str | None
    term: str | None
    extended: str | None
    delivery: Delivery | None
    coverage: str
    coverage_note: str
    marks: tuple[Mark, ...]
    shades: tuple[Shade, ...]
    ticks: tuple[str, ...]
    outages: tuple[OutageRow, ...]
    outages_left_out: int
    exclusions: tuple[ExclusionRow, ...]
    steps: tuple[Step, ...]
    digests: tuple[tuple[str, str], ...]
    public_key: str
    key_id: str


def statement_view(
    raw: bytes, files: Files, public_key: str, delivery: Delivery | None = None, language: str | None = None
) -> StatementView:
    """Read a signed statement and what travels beside it; `language` overrides the customer's own.

    Raises NotCanonical or CrmhostError for what crmhost did not write.
    """
    said = _object(parse_canonical(raw)["statement"])
    chain, credit = _object(said["chain"]), said["credit"]
    label = str(said["period"])
    contract, found = contract_in(files.contract), evidence.parse(files.evidence, EVIDENCE_FILE)
    holidays = holidays_in(files.calendar)
    settlement = recompute(contract, found, label, holidays)
    terms = settlement.terms
    timeline, figures = timeline_of(terms, found), settlement.figures
    painted = _layers(settlement, timeline, found)
    say = speech(language or str(said["language"]), zone(terms.sla.period.timezone))
    period = Period(label, terms.start, terms.end)
    owed = _object(credit) if credit is not None else {}
    return StatementView(
        say=say,
        customer=str(said["customer"]),
        contract=str(said["contract"]),
        title=_title(settlement, period, say),
        span=f"{say.when(terms.start)} – {say.when(terms.end)}",
        zone=terms.sla.period.timezone,
        revision=_whole(said["revision"]),
        sequence=_whole(chain["sequence"]),
        issued=say.when(instant(str(said["issued_at"]))),
        approved=None if said["approved_by"] is None else str(said["approved_by"]),
        verdict={None: "not_measured", True: "broken", False: "kept"}[figures.breached],
        availability="–" if figures.availability is None else say.percent(figures.availability),
        target=say.percent(terms.sla.availability),
        credit=owed_text(settlement, say),
        is_time=owed.get("unit") == "service-time",
        credit_key=str(owed["key"]) if owed else None,
        term=_term(owed, say),
        extended=say.length(_whole(owed["extended_seconds"]) * 1_000_000) if owed else None,
        delivery=delivery,
        coverage="–" if figures.coverage is None else say.percent(figures.coverage),
        coverage_note=_coverage(settlement, say),
        marks=marks(painted, terms.start, terms.end, mirrored=say.direction == "rtl"),
        shades=tuple(layer.shade for layer in reversed(painted) if layer.stretches),
        ticks=tuple(_tick(when, period, say) for when in ticks(terms.start, terms.end)),
        outages=_outages(settlement, say),
        outages_left_out=max(0, len(figures.outages) - MOST_ROWS),
        exclusions=_exclusions(settlement, found, say),
        steps=steps(settlement, say),
        digests=_digests(raw, _object(said["digests"]), chain),
        public_key=public_key,
        key_id=str(said["key"]),
    )


def _title(settlement: Settlement, period: Period, say: Speech) -> str:
    spec = settlement.terms.sla.period
    if isinstance(spec, MonthPeriod):
        return say.month(period.label, jalali=spec.calendar == "jalali")
    if period.end - period.start < 86_400_000_000:
        return f"{say.when(period.start)} – {say.clock(period.end)}"
    return f"{say.day(period.start)} – {say.day(period.end)}"


def _tick(when: Micros, period: Period, say: Speech) -> str:
    return say.clock(when) if period.end - period.start < 2 * 86_400_000_000 else say.short_day(when)


def _term(owed: dict[str, Json], say: Speech) -> str | None:
    ends = owed.get("term_ends")
    return None if ends is None else say.when(instant(str(ends)))


def _coverage(settlement: Settlement, say: Speech) -> str:
    figures = settlement.figures
    known = "–" if figures.coverage is None else say.percent(figures.coverage)
    return say("coverage_note", known=known, unknown=say.length(figures.unknown))


def _layers(settlement: Settlement, timeline: Timeline, found: Evidence) -> tuple[Painted, ...]:
    terms = settlement.terms
    granted = grant(terms.base, terms.sla.maintenance, found.maintenance, found.customer).stretches
    whole: Stretches = ((terms.start, terms.end),)
    return (
        Painted("outside", subtract(whole, terms.base)),
        Painted("unknown", intersect(timeline.unknown, terms.base)),
        Painted("up", intersect(timeline.up, terms.base)),
        Painted("excluded", granted),
        Painted("down", subtract(intersect(timeline.down, terms.base), granted)),
    )


def _outages(settlement: Settlement, say: Speech) -> tuple[OutageRow, ...]:
    return tuple(
        OutageRow(say.when(one.start), say.when(one.end), say.length(one.end - one.start), say.length(one.counted))
        for one in settlement.figures.outages[:MOST_ROWS]
    )


def _exclusions(settlement: Settlement, found: Evidence, say: Speech) -> tuple[ExclusionRow, ...]:
    terms = settlement.terms
    why = {one.window: say(one.why) for one in settlement.rejected}
    rows = [(one.start, one.end, say("maintenance"), why.get(one, say("granted")), "") for one in found.maintenance] + [
        (one.start, one.end, say("customer"), say("granted"), one.reason) for one in found.customer
    ]
    return tuple(
        ExclusionRow(kind, say.when(start), say.when(end), verdict, reason)
        for start, end, kind, verdict, reason in sorted(rows)
        if intersect(((start, end),), terms.base)
    )[:MOST_ROWS]


def _digests(raw: bytes, said: dict[str, Json], chain: dict[str, Json]) -> tuple[tuple[str, str], ...]:
    found = [("statement", digest(raw)), *((name, str(said[name])) for name in ("contract", "calendar", "evidence"))]
    if chain["previous"] is not None:
        found.append(("previous", str(chain["previous"])))
    return tuple(found)


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, Mapping):
        raise NotCanonical("it is no statement of crmhost")
    return dict(value)


def _whole(value: Json) -> int:
    if not isinstance(value, int):
        raise NotCanonical("it is no statement of crmhost")
    return value
