"""The way of a stack from one rollout to the next: at most two releases, and what served stays known."""

from __future__ import annotations

from dataclasses import replace

from infra import moves
from infra.moves import Services
from infra.rollout import Rollout
from tests.support.rollouts import DATABASE, NEW, OLD, REDIS, placed

SERVICES = Services(DATABASE, REDIS)


def rollout(*args: object, **fields: object) -> Rollout:
    return Rollout("acme", DATABASE, REDIS, *args, **fields)  # type: ignore[arg-type]


SERVING = rollout((OLD,), OLD.release.id)


def test_a_first_release_takes_the_first_slot_and_waits() -> None:
    assert moves.slot_for(None, OLD.release) == "a"
    assert moves.staged(None, "acme", SERVICES, OLD, waiting=True) == rollout((OLD,), None, waiting=True)


def test_a_candidate_takes_the_slot_that_what_serves_has_not() -> None:
    assert moves.slot_for(SERVING, NEW.release) == "b"
    assert moves.slot_for(rollout((moves.at(OLD, "b"),), OLD.release.id), NEW.release) == "a"
    assert moves.slot_for(SERVING, OLD.release) == "a"


def test_a_candidate_stands_beside_what_serves() -> None:
    assert moves.staged(SERVING, "acme", SERVICES, NEW, waiting=False) == rollout((OLD, NEW), OLD.release.id)


def test_what_serves_already_is_final_at_once() -> None:
    changed = replace(OLD, image="sha256:rebuilt")
    assert moves.staged(SERVING, "acme", SERVICES, changed, waiting=True) == rollout((changed,), OLD.release.id)


def test_what_served_is_kept_as_data_once_another_one_serves() -> None:
    both = rollout((OLD, NEW), OLD.release.id)
    end = moves.final(both, "acme", SERVICES, NEW)
    assert end == rollout((NEW,), NEW.release.id, previous=OLD)
    assert moves.find(end, OLD.release) == OLD
    assert moves.find(end, OLD.release, kept=False) is None


def test_going_back_keeps_what_was_gone_back_from() -> None:
    end = rollout((NEW,), NEW.release.id, previous=OLD)
    back = moves.staged(end, "acme", SERVICES, OLD, waiting=True)
    assert back == rollout((NEW, OLD), NEW.release.id, waiting=True)
    assert moves.final(back, "acme", SERVICES, OLD) == rollout((OLD,), OLD.release.id, previous=NEW)


def test_a_third_candidate_takes_the_place_of_the_second() -> None:
    both, third = rollout((OLD, NEW), OLD.release.id), placed("2.8.7", "2", "b")
    assert moves.staged(both, "acme", SERVICES, third, waiting=True) == rollout(
        (OLD, third), OLD.release.id, waiting=True
    )


def test_halted_nothing_runs_and_what_served_is_known() -> None:
    halted = moves.halted(SERVING, "acme", SERVICES, NEW)
    assert halted == rollout((NEW,), None, waiting=True, previous=OLD)
    assert halted.running(NEW) == ()
    assert moves.halted(halted, "acme", SERVICES, NEW) == halted
    assert moves.halted(halted, "acme", SERVICES, OLD) == rollout((OLD,), None, waiting=True)
    assert moves.staged(halted, "acme", SERVICES, NEW, waiting=False) == replace(halted, waiting=False)
    assert moves.final(replace(halted, waiting=False), "acme", SERVICES, NEW) == rollout(
        (NEW,), NEW.release.id, previous=OLD
    )


def test_a_failed_candidate_is_taken_away_where_something_serves() -> None:
    assert moves.without_candidate(rollout((OLD, NEW), OLD.release.id)) == SERVING
    assert moves.without_candidate(rollout((NEW,), None)) is None
