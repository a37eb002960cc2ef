"""The measuring rules once more, as dumb as possible: one list entry per slot of time, no intervals.

A `World` is a timeline of `slots` equal slots from slot 0; beyond it nothing is known. All instants and lengths are
whole slots. Every function below is one sentence of the design, counted slot by slot; only ratios are exact Fractions.
It shares no code with the product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

DAY_S = 86_400


@dataclass
class World:
    slots: int
    slot_seconds: int
    spans: list[tuple[str, int, int, str]]  # vantage, from, to, state
    windows: list[tuple[int, int, int]] = field(default_factory=list)  # from, to, announced
    causes: list[tuple[int, int]] = field(default_factory=list)
    vantages: list[str] = field(default_factory=lambda: ["a"])
    quorum: int = 1
    target: Fraction = Fraction(98, 100)
    bridge: int = 0
    ignore: int = 0
    unknown_is_up: bool = False
    exclude_both: bool = False
    maintenance: bool = False
    notice: int = 0
    at_most: int | None = None
    credit: dict[str, Any] | None = None
    fee: Fraction = Fraction(0)  # of a whole period
    places: int = 0  # the currency's


@dataclass
class Stretch:
    """A period: which slots are in it, which of them are in the term, which are in the base of point 4."""

    period: list[bool]
    term: list[bool]
    base: list[bool]


def runs(values: list[object]) -> list[tuple[int, int]]:
    """Maximal stretches of equal values."""
    found = []
    start = 0
    for i in range(1, len(values) + 1):
        if i == len(values) or values[i] != values[start]:
            found.append((start, i))
            start = i
    return found


def combined(world: World) -> list[str]:
    """Down if at least q vantages say down, up if at least q say up, otherwise unknown."""
    said = {}
    for name in world.vantages:
        line = [""] * world.slots
        for state in ("up", "down"):  # down is written last: down wins
            for vantage, start, end, is_state in world.spans:
                if vantage == name and is_state == state:
                    for slot in range(start, end):
                        line[slot] = state
        said[name] = line
    result = []
    for slot in range(world.slots):
        votes = [said[name][slot] for name in world.vantages]
        if votes.count("down") >= world.quorum:
            result.append("down")
        elif votes.count("up") >= world.quorum:
            result.append("up")
        else:
            result.append("unknown")
    return result


def bridged(line: list[str], longest: int) -> tuple[list[str], list[bool]]:
    """An unknown stretch this short, with down on both sides, is down; also return where it was too long."""
    result, too_long = list(line), [False] * len(line)
    for start, end in runs(list(line)):
        if line[start] != "unknown" or start == 0 or end == len(line):
            continue
        if line[start - 1] == "down" and line[end] == "down":
            for slot in range(start, end):
                if end - start <= longest:
                    result[slot] = "down"
                else:
                    too_long[slot] = True
    return result, too_long


def ignored(line: list[str], shorter_than: int) -> list[str]:
    """An outage is up when the whole stretch of not up around it is shorter; at an edge that stretch has no end."""
    result = list(line)
    for start, end in runs([state == "up" for state in line]):
        if line[start] == "up" or start == 0 or end == len(line):
            continue
        if end - start < shorter_than:
            for slot in range(start, end):
                if line[slot] == "down":
                    result[slot] = "up"
    return result


def excluded(world: World, base: list[bool]) -> tuple[list[bool], list[tuple[int, int, int]]]:
    """Windows announced early enough, inside the base, earliest first up to at-most; and what the customer caused."""
    out, rejected = [False] * world.slots, []
    for start, end, announced in world.windows:
        if not any(base[start:end]):
            continue
        if not world.maintenance or announced + world.notice > start:
            rejected.append((start, end, announced))
            continue
        for slot in range(start, end):
            out[slot] = out[slot] or base[slot]
    left = world.slots if world.at_most is None else world.at_most
    for slot in range(world.slots):
        if out[slot]:
            out[slot] = left > 0
            left -= 1
    for start, end in world.causes:
        for slot in range(start, end):
            out[slot] = out[slot] or base[slot]
    return out, sorted(set(rejected))


def figures(world: World, stretch: Stretch, charged: dict[int, Fraction]) -> dict[str, Any]:
    """All figures of one period. `charged` (outage's first slot → service seconds) is read and added to."""
    line, too_long = bridged(combined(world), world.bridge)
    line = ignored(line, world.ignore)
    out, rejected = excluded(world, stretch.base)
    agreed = sum(stretch.base)
    unknown = down = divisor = 0
    outages: dict[int, int] = {}
    first = 0
    for slot in range(world.slots):
        if line[slot] == "down" and (slot == 0 or line[slot - 1] != "down"):
            first = slot
        if not stretch.base[slot]:
            continue
        unknown += line[slot] == "unknown"
        taken_out = (world.exclude_both and out[slot]) or (line[slot] == "unknown" and not world.unknown_is_up)
        divisor += not taken_out
        if line[slot] == "down" and not out[slot]:
            down += 1
            outages[first] = outages.get(first, 0) + 1
    seconds = world.slot_seconds
    result: dict[str, Any] = {
        "base": divisor * seconds,
        "down": down * seconds,
        "unknown": unknown * seconds,
        "excluded": sum(out) * seconds,
        "coverage": Fraction(agreed - unknown, agreed) if divisor else None,
        "availability": 1 - Fraction(down, divisor) if divisor else None,
        "breached": 1 - Fraction(down, divisor) < world.target if divisor else None,
        "outages": {first * seconds: count * seconds for first, count in outages.items()},
        "rejected": rejected,
        "unbridged": any(too_long[slot] and stretch.base[slot] for slot in range(world.slots)),
        "credit": None,
    }
    if result["breached"] and world.credit is not None:
        result["credit"] = credited(world, stretch, result, charged)
    return result


def credited(
    world: World, stretch: Stretch, found: dict[str, Any], charged: dict[int, Fraction]
) -> tuple[Fraction, Fraction] | None:
    """Formula, cap per outage, cap per period, rounding, minimum; service time in seconds: (paid, unrounded)."""
    assert world.credit is not None
    credit: dict[str, Any] = world.credit
    money = credit["unit"] == "money"
    part = sum(stretch.term) * world.slot_seconds
    whole = sum(stretch.period) * world.slot_seconds
    everything = world.fee * part / whole if money else Fraction(part)
    if credit["formula"] == "multiplier":
        amount = multiplied(world, found, charged)
        if money:
            amount = world.fee * amount / (30 * DAY_S if credit["prorate"] == "30-days" else whole)
    elif credit["formula"] == "tiers":
        amount = tiered(credit["value"], found["availability"], everything)
    else:
        amount = credit["value"] * counted(world, found) * everything
    if credit["per_period"] is not None:
        amount = min(amount, credit["per_period"] * everything)
    paid = rounded(amount, world.places, credit["round"]) if money else rounded(amount, 0, "up")
    if paid == 0 or (credit["minimum"] is not None and paid < credit["minimum"]):
        return None
    return paid, amount


def lost(world: World, found: dict[str, Any]) -> Fraction:
    """The time that the formula is of: all downtime, or what exceeds (1 - target) x base."""
    assert world.credit is not None
    excess = Fraction(found["down"]) - (1 - world.target) * found["base"]
    return Fraction(found["down"]) if world.credit["of"] == "downtime" else max(Fraction(0), excess)


def multiplied(world: World, found: dict[str, Any], charged: dict[int, Fraction]) -> Fraction:
    """So many times the lost time, shared among outages by downtime; one cap an outage, the earlier charged first."""
    assert world.credit is not None
    cap = world.credit["per_outage"]
    time = Fraction(0)
    for first, counted_down in sorted(found["outages"].items()):
        share = world.credit["value"] * lost(world, found) * counted_down / found["down"]
        if cap is not None:
            share = max(Fraction(0), min(share, cap - charged.get(first, Fraction(0))))
        charged[first] = charged.get(first, Fraction(0)) + share
        time += share
    return time


def tiered(tiers: list[tuple[Fraction, str, Fraction]], availability: Fraction, everything: Fraction) -> Fraction:
    """The lowest tier that matches."""
    amount = Fraction(0)
    for below, unit, number in sorted(tiers, reverse=True):
        if availability < below:
            amount = number * everything if unit == "percent" else number * DAY_S
    return amount


def counted(world: World, found: dict[str, Any]) -> int:
    """Hours of the lost time, or percentage points short; what is started counts, or only what is full."""
    assert world.credit is not None
    kind = world.credit["formula"]
    if kind in ("started-hour", "full-hour"):
        left, unit = lost(world, found), Fraction(3600)
    else:
        left, unit = world.target - found["availability"], Fraction(1, 100)
    count = 0
    while left >= unit:
        left -= unit
        count += 1
    return count + 1 if left > 0 and kind.startswith("started") else count


def rounded(amount: Fraction, places: int, mode: str) -> Fraction:
    """The nearer of the two neighbours, and at the middle what the mode says."""
    unit = Fraction(1, 10**places)
    low = amount // unit * unit
    high = low + unit
    if amount == low:
        return low
    if mode in ("up", "down"):
        return high if mode == "up" else low
    if amount - low != high - amount:
        return low if amount - low < high - amount else high
    if mode == "half-up":
        return high
    return low if (low / unit) % 2 == 0 else high
