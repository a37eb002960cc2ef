"""Which contract begins next: limits, canaries and --fail-fast, by cases and by random fleets."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from crmhost.fleetwide.choose import LOG_INS, Job
from crmhost.fleetwide.ending import Did, Ending
from crmhost.fleetwide.schedule import Rules, State, barred, next_up
from tests.support.fleets import jobs

FIVE = jobs("a", "b", "c", "d", "e")


def up(rules: Rules, running: str = "", **ended: Did) -> str:
    """Return who of the five begins next."""
    gone = {*running, *ended}
    state = State(
        tuple(job for job in FIVE if job.contract not in gone),
        tuple(job for job in FIVE if job.contract in running),
        tuple(Ending(name, did) for name, did in ended.items()),
    )
    return "".join(job.contract for job in next_up(state, rules))


def test_as_many_begin_as_are_allowed() -> None:
    assert up(Rules(2)) == "ab"
    assert up(Rules(2), "ab") == ""
    assert up(Rules(2), "b", a="deployed") == "c"
    assert up(Rules(9)) == "abcde"


def test_a_failure_stops_no_other() -> None:
    assert up(Rules(2), "b", a="failed") == "c"


def test_fail_fast_begins_nothing_after_a_failure() -> None:
    rules = Rules(2, fail_fast=True)
    assert up(rules, "b", a="failed") == ""
    assert up(rules, "b", a="changes") == "c"
    assert barred([Ending("a", "failed")], rules) == "a failed, and --fail-fast was given"


def test_the_rest_waits_for_the_canaries() -> None:
    rules = Rules(4, canary=2)
    assert up(rules) == "ab"
    assert up(rules, "b", a="deployed") == ""
    assert up(rules, a="deployed", b="deployed") == "cde"


def test_a_canary_that_fails_ends_it_without_fail_fast() -> None:
    rules = Rules(4, canary=2)
    assert up(rules, "b", a="failed") == ""
    assert up(rules, a="deployed", b="failed") == ""
    assert barred([Ending("a", "deployed"), Ending("b", "failed")], rules) == "the canary b was not deployed"
    assert up(rules, a="deployed", b="deployed", c="failed") == "de"


def test_a_canary_with_nothing_to_do_proves_nothing() -> None:
    assert up(Rules(4, canary=1), a="nothing") == "b"
    assert up(Rules(4, canary=1), a="nothing", b="restored") == "", "it went back"
    assert up(Rules(4, canary=2), "b", a="nothing") == "c"


def test_a_full_host_does_not_hold_up_the_others() -> None:
    waiting = (*jobs("a", "b", "c", place="docker", room=1), *jobs("d"))
    assert [job.contract for job in next_up(State(waiting), Rules(3))] == ["a", "d"]
    running = State(waiting[1:3], waiting[:1])
    assert next_up(running, Rules(3)) == ()


def test_a_jump_host_on_many_ways_is_not_overrun() -> None:
    waiting = tuple(Job(str(number), f"10.0.0.{number}", 8, ("bastion",)) for number in range(20))
    assert len(next_up(State(waiting), Rules(20))) == LOG_INS
    assert len(next_up(State(waiting[6:], waiting[:6]), Rules(20))) == 2


FLEETS = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["deployed", "nothing", "failed"])), min_size=1, max_size=12
)
ROOMS = {"x": 1, "y": 2, "z": 8}


@given(fleet=FLEETS, parallel=st.integers(1, 5), fail_fast=st.booleans(), canary=st.integers(0, 4), data=st.data())
def test_whatever_the_fleet_its_limits_hold_and_it_ends(
    fleet: list[tuple[str, Did]], parallel: int, fail_fast: bool, canary: int, data: st.DataObject
) -> None:
    rules = Rules(parallel, fail_fast, canary)
    waiting = [Job(str(number), place, ROOMS[place]) for number, (place, _) in enumerate(fleet)]
    running: list[Job] = []
    ended: list[Ending] = []
    while True:
        begun = next_up(State(tuple(waiting), tuple(running), tuple(ended)), rules)
        if begun:
            assert barred(ended, rules) is None
        for job in begun:
            waiting.remove(job)
        running += begun
        assert len(running) <= parallel
        assert all(count <= ROOMS[place] for place, count in Counter(job.place for job in running).items())
        deployed = sum(ending.did == "deployed" for ending in ended)
        assert deployed >= canary or deployed + len(running) <= canary
        if not running:
            break
        job = running.pop(data.draw(st.integers(0, len(running) - 1)))
        ended.append(Ending(job.contract, fleet[int(job.contract)][1]))
    assert not waiting or barred(ended, rules) is not None, "what waits for nothing is begun"
