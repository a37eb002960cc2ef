from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.probe.schedule import Schedule, phase_of, tolerance

SECOND = 1_000_000


def test_phases_are_stable_and_spread_evenly() -> None:
    interval = 30 * SECOND
    phases = [phase_of(f"contract-{number}", interval) for number in range(10_000)]
    assert phases == [phase_of(f"contract-{number}", interval) for number in range(10_000)]
    per_second = [0] * 30
    for phase in phases:
        per_second[phase // SECOND] += 1
    assert min(per_second) > 250  # 333 each on average
    assert max(per_second) < 420


def test_a_loop_in_time_begins_every_round_at_its_instant() -> None:
    schedule = Schedule([("acme", SECOND)], now=0)
    starts = []
    for _ in range(100):
        now = schedule.next_due()
        assert now is not None
        (due,) = schedule.pop_due(now)
        assert (due.late, due.skipped) == (0, 0)
        starts.append(now)
    assert starts == [phase_of("acme", SECOND) + number * SECOND for number in range(100)]


def test_lateness_does_not_accumulate() -> None:
    schedule = Schedule([("acme", SECOND)], now=0)
    for number in range(100):
        now = schedule.next_due()
        assert now == phase_of("acme", SECOND) + number * SECOND
        assert [due.late for due in schedule.pop_due(now + 200_000)] == [200_000]


def test_after_a_stop_of_the_loop_nothing_bursts_and_what_was_lost_is_counted() -> None:
    names = [f"contract-{number}" for number in range(3_000)]
    schedule = Schedule([(name, 30 * SECOND) for name in names], now=0)
    begun = schedule.pop_due(60 * SECOND)
    assert len(begun) < 60  # what lies within the tolerance of 250 ms: 25 on average
    assert all(due.skipped == 1 for due in begun)
    assert sum(schedule.lost(name) for name in names) == 6_000 - 2 * len(begun)


def test_nothing_to_probe() -> None:
    schedule = Schedule([], now=0)
    assert schedule.next_due() is None
    assert schedule.pop_due(10**12) == []


@given(
    intervals=st.lists(st.integers(100_000, 60 * SECOND), min_size=1, max_size=5),
    begin=st.integers(0, 10**15),
    steps=st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=60),
)
def test_every_round_begins_or_is_counted_and_never_early(intervals: list[int], begin: int, steps: list[int]) -> None:
    paces = {f"c{number}": interval for number, interval in enumerate(intervals)}
    schedule = Schedule(paces.items(), begin)
    now = begin
    accounted = dict.fromkeys(paces, 0)
    for step in steps:
        now += step
        begun = schedule.pop_due(now)
        assert len({due.name for due in begun}) == len(begun)
        for due in begun:
            assert 0 <= due.late <= tolerance(paces[due.name])
            assert (now - due.late - phase_of(due.name, paces[due.name])) % paces[due.name] == 0
            accounted[due.name] += 1 + due.skipped
    for name, interval in paces.items():
        rounds = (now - phase_of(name, interval)) // interval - (begin - 1 - phase_of(name, interval)) // interval
        assert accounted[name] + schedule.lost(name) == rounds
