"""Many vantages become one timeline: down, up, and everything else unknown (points 2 and 3 of the measuring rules)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from contract.model import Micros
from monitor.intervals import Stretch, Stretches, at_least, complement, hulls, joined, subtract, union
from monitor.span import Span


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the service was `down` and `up`, disjoint, over all time; the rest is unknown.

    `unbridged` are the unknown stretches with down on both sides that were too long to bridge. `foreign` names the
    vantages that had spans but are not the contract's.
    """

    down: Stretches
    up: Stretches
    unbridged: Stretches = ()
    foreign: tuple[str, ...] = ()

    @property
    def unknown(self) -> Stretches:
        """All time that is neither down nor up."""
        return complement(union(self.down, self.up))


def combine(spans: Iterable[Span], vantages: tuple[str, ...], quorum: int) -> Timeline:
    """Join the spans of each vantage (where they overlap, down wins) and let `quorum` vantages decide.

    `quorum` is more than half of the vantages, so down and up cannot both be decided.
    """
    downs: dict[str, list[Stretch]] = {name: [] for name in vantages}
    ups: dict[str, list[Stretch]] = {name: [] for name in vantages}
    foreign: set[str] = set()
    for vantage, start, end, state, _ in spans:
        if vantage in ups:
            (ups if state == "up" else downs)[vantage].append((start, end))
        else:
            foreign.add(vantage)
    down = {name: joined(downs[name]) for name in downs}
    up = [subtract(joined(ups[name]), down[name]) for name in ups]
    return Timeline(at_least(quorum, tuple(down.values())), at_least(quorum, up), foreign=tuple(sorted(foreign)))


def bridge(timeline: Timeline, longest: Micros) -> Timeline:
    """Make every unknown stretch of at most `longest`, with down on both sides, down."""
    ends = {end for _, end in timeline.down}
    starts = {start for start, _ in timeline.down}
    between = [(start, end) for start, end in timeline.unknown if start in ends and end in starts]
    bridged = tuple((start, end) for start, end in between if end - start <= longest)
    unbridged = tuple((start, end) for start, end in between if end - start > longest)
    return Timeline(union(timeline.down, bridged), timeline.up, unbridged, timeline.foreign)


def ignore(timeline: Timeline, shorter_than: Micros) -> Timeline:
    """Treat an outage as up where the whole stretch of not up around it is shorter than `shorter_than`.

    That stretch is measured before any clipping and reaches as far as nothing was known to be up, even to the beginning
    or end of time; so a gap in monitoring never makes an outage short.
    """
    around = hulls(timeline.down, complement(timeline.up))
    pairs = list(zip(timeline.down, around, strict=True))
    counted = tuple(outage for outage, (start, end) in pairs if end - start >= shorter_than)
    ignored = tuple(outage for outage, (start, end) in pairs if end - start < shorter_than)
    return Timeline(counted, union(timeline.up, ignored), timeline.unbridged, timeline.foreign)
