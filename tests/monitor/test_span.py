"""From probe results to spans: situations by name, and every second of random histories against a plain reading."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.span import Observer, ProbeResult, Span, Watch, finish, lengthened, observe, state_at

WATCH = Watch("hcm", interval=10, timeout=3, confirm=2)


def probe(start: int, outcome: str, *, took: int = 1, control_ok: bool | None = None) -> ProbeResult:
    """A probe at `start`; the outcome is `ok` or the reason of a failure."""
    return ProbeResult(start, start + took, outcome == "ok", "" if outcome == "ok" else outcome, control_ok)


def watched(*results: ProbeResult, watch: Watch = WATCH, until: int | None = None) -> list[Span]:
    """All spans of a history; `until` is when watching is stopped in order."""
    seen = Observer()
    spans: list[Span] = []
    for result in results:
        seen, new = observe(watch, seen, result)
        spans += new
    if until is not None:
        spans += finish(watch, seen, until)[1]
    return spans


def stretches(spans: list[Span]) -> list[tuple[int, int, str]]:
    """The spans with touching ones of one state joined."""
    joined: list[tuple[int, int, str]] = []
    for span in spans:
        if joined and joined[-1][1:] == (span.start, span.state):
            joined[-1] = (joined[-1][0], span.end, span.state)
        else:
            joined.append((span.start, span.end, span.state))
    return joined


def test_up_reaches_from_the_first_probe_to_the_end_of_the_last() -> None:
    assert stretches(watched(probe(0, "ok"), probe(10, "ok"))) == [(0, 11, "up")]


def test_down_begins_at_the_start_of_the_first_failure_and_ends_at_the_end_of_the_first_success() -> None:
    spans = watched(probe(0, "ok"), probe(10, "timeout", took=3), probe(20, "http-status-502"), probe(30, "ok", took=2))
    assert stretches(spans) == [(0, 10, "up"), (10, 32, "down")]
    assert [span.reason for span in spans] == ["", "", "timeout", "http-status-502"]


def test_up_goes_on_after_the_success_that_ended_an_outage() -> None:
    history = [probe(0, "dns"), probe(10, "dns"), probe(20, "ok"), probe(30, "ok")]
    assert stretches(watched(*history)) == [(0, 21, "down"), (21, 31, "up")]


def test_failures_before_they_are_confirmed_are_not_recorded() -> None:
    assert stretches(watched(probe(0, "ok"), probe(10, "dns"))) == [(0, 10, "up")]


def test_failures_that_a_success_ends_in_time_were_up() -> None:
    assert stretches(watched(probe(0, "ok"), probe(10, "dns"), probe(20, "ok"))) == [(0, 21, "up")]


def test_one_failure_is_enough_where_the_contract_says_one() -> None:
    watch = Watch("hcm", 10, 3, confirm=1)
    assert stretches(watched(probe(0, "ok"), probe(10, "dns"), watch=watch)) == [(0, 10, "up"), (10, 11, "down")]


def test_knowledge_ends_an_interval_and_a_timeout_after_the_last_probe() -> None:
    assert stretches(watched(probe(0, "ok"), probe(40, "ok"))) == [(0, 14, "up"), (40, 41, "up")]


def test_a_silence_that_knowledge_just_spans_is_known() -> None:
    assert stretches(watched(probe(0, "ok"), probe(14, "ok"))) == [(0, 15, "up")]


def test_an_outage_after_a_silence_must_be_confirmed_again() -> None:
    history = [probe(0, "dns"), probe(10, "dns"), probe(40, "dns"), probe(50, "dns")]
    assert stretches(watched(*history)) == [(0, 24, "down"), (40, 51, "down")]


def test_what_was_pending_when_silence_fell_stays_unknown() -> None:
    assert stretches(watched(probe(0, "ok"), probe(10, "dns"), probe(40, "ok"))) == [(0, 10, "up"), (40, 41, "up")]


def test_stopping_keeps_what_is_known_until_then_and_no_longer() -> None:
    assert stretches(watched(probe(0, "ok"), until=5)) == [(0, 5, "up")]
    assert stretches(watched(probe(0, "ok"), until=500)) == [(0, 14, "up")]
    assert stretches(watched(probe(0, "ok"), probe(10, "dns"), until=15)) == [(0, 10, "up")]


def test_a_vantage_whose_own_network_is_dead_records_nothing() -> None:
    dead = [probe(10, "timeout", control_ok=False), probe(20, "timeout", control_ok=False)]
    assert stretches(watched(probe(0, "ok"), *dead, probe(30, "ok"))) == [(0, 14, "up"), (30, 31, "up")]


def test_a_vantage_whose_control_answers_counts_the_failure() -> None:
    history = [probe(0, "timeout", control_ok=True), probe(10, "timeout", control_ok=True)]
    assert stretches(watched(*history)) == [(0, 11, "down")]


def test_a_clock_that_stepped_back_makes_no_span_until_it_has_caught_up() -> None:
    history = [
        probe(100, "ok"),
        probe(50, "dns"),
        probe(60, "dns"),
        probe(70, "dns"),
        probe(110, "ok"),
        probe(120, "ok"),
    ]
    assert stretches(watched(*history)) == [(100, 101, "up"), (110, 121, "up")]


def test_a_clock_that_stepped_back_within_a_probe_makes_no_span() -> None:
    assert watched(probe(0, "ok"), ProbeResult(10, 8, ok=True), probe(20, "ok"))[1:] == [Span("hcm", 20, 21, "up")]


def test_a_restarted_monitor_leaves_its_own_gap_unknown_and_overlaps_nothing() -> None:
    seen, _ = observe(WATCH, Observer(known_until=100), probe(95, "ok"))
    assert seen == Observer(known_until=100)
    _, spans = observe(WATCH, seen, probe(105, "ok"))
    assert spans == (Span("hcm", 105, 106, "up"),)


def test_the_present_state_is_known_as_long_as_knowledge_reaches() -> None:
    seen, _ = observe(WATCH, Observer(), probe(0, "ok"))
    assert [state_at(WATCH, seen, now) for now in (1, 14, 15)] == ["up", "up", None]
    assert state_at(WATCH, Observer(), 0) is None


def test_a_piece_lengthens_the_span_before_it_only_if_nothing_differs() -> None:
    last = Span("hcm", 0, 10, "down", "dns")
    assert lengthened(last, Span("hcm", 10, 20, "down", "dns")) == Span("hcm", 0, 20, "down", "dns")
    for other in (
        Span("hcm", 11, 20, "down", "dns"),
        Span("hcm", 10, 20, "up"),
        Span("hcm", 10, 20, "down", "tls"),
        Span("sgp", 10, 20, "down", "dns"),
    ):
        assert lengthened(last, other) is None


@st.composite
def histories(draw: st.DrawFn) -> list[ProbeResult]:
    """Probes one after the other, mostly on time, some late, some with a dead control."""
    at, results = 5, []
    for _ in range(draw(st.integers(0, 25))):
        took = draw(st.integers(0, 3))
        control_ok = draw(st.sampled_from([None, None, True, False]))
        results.append(probe(at, draw(st.sampled_from(["ok", "ok", "dns"])), took=took, control_ok=control_ok))
        at += took + draw(st.sampled_from([7, 8, 10, 13, 14, 30]))
    return results


def expected(results: list[ProbeResult], confirm: int, until: int) -> dict[int, str]:
    """The state of each second, read from the rules over the whole history at once."""
    heard = [one for one in results if one.control_ok is not False]
    sessions: list[list[ProbeResult]] = []
    for one in heard:
        if sessions and one.start - sessions[-1][-1].end <= WATCH.reach:
            sessions[-1].append(one)
        else:
            sessions.append([one])
    line: dict[int, str] = {}
    for number, session in enumerate(sessions):
        stop = sessions[number + 1][0].start if number + 1 < len(sessions) else until
        known = min(stop, session[-1].end + WATCH.reach)
        line |= dict.fromkeys(range(session[0].start, known), "up")
        first = 0
        while first < len(session):
            last = first
            while last < len(session) and session[last].ok == session[first].ok:
                last += 1
            if not session[first].ok:
                end = session[last].end if last < len(session) else known
                if last - first >= confirm:
                    line |= dict.fromkeys(range(session[first].start, end), "down")
                elif last == len(session):
                    for second in range(session[first].start, known):
                        del line[second]
            first = last
    return line


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(histories(), st.integers(1, 4))
def test_every_second_is_what_the_rules_say_of_the_whole_history(results: list[ProbeResult], confirm: int) -> None:
    watch = Watch("hcm", WATCH.interval, WATCH.timeout, confirm)
    until = (results[-1].end if results else 0) + 5
    found: dict[int, str] = {}
    for span in watched(*results, watch=watch, until=until):
        for second in range(span.start, span.end):
            assert second not in found
            found[second] = span.state
    assert found == expected(results, confirm, until)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-2, 6), st.booleans()), max_size=20), st.integers(1, 3))
def test_whatever_the_clock_does_spans_are_in_order_and_never_overlap(
    times: list[tuple[int, int, bool]], confirm: int
) -> None:
    results = [ProbeResult(start, start + took, ok) for start, took, ok in times]
    spans = watched(*results, watch=Watch("hcm", 10, 3, confirm), until=70)
    assert all(span.start < span.end for span in spans)
    assert all(before.end <= after.start for before, after in pairwise(spans))
