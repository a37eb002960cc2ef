"""What `status` says of each process, from what Docker shows."""

from __future__ import annotations

from dataclasses import replace

from infra import expected, naming
from infra.drift import drift
from infra.engine.seen import Seen
from infra.remove import leftovers
from infra.status import processes
from tests.infra.test_drift import healthy
from tests.support.rollouts import OLD, REDIS, rollout

SERVING = rollout(OLD, serving=OLD, redis=REDIS)
ALL = {each.name: healthy(each) for each in expected.containers(SERVING)}
WEB = naming.process("acme", OLD.tag, "web")
JOBS = naming.process("acme", OLD.tag, "jobs")


def test_every_process_that_should_be_up_is_named() -> None:
    told = list(processes(SERVING, Seen("acme", ALL)))
    assert [(name, state) for name, state, _ in told] == [("db", "up"), ("redis", "up"), ("web", "up"), ("jobs", "up")]
    assert told[2][2] == f"running; {OLD.release.id}"


def test_what_is_not_well_says_how() -> None:
    seen = {
        **ALL,
        WEB: replace(ALL[WEB], health="unhealthy", restarts=3),
        naming.database("acme"): replace(ALL[naming.database("acme")], state="exited", code=137),
    }
    del seen[JOBS]
    told = {name: (state, detail) for name, state, detail in processes(SERVING, Seen("acme", seen))}
    assert told["web"] == ("down", f"running, unhealthy, restarted 3 times; {OLD.release.id}")
    assert told["db"] == ("down", "exited, exit 137")
    assert told["jobs"] == ("absent", "no such container")


def test_what_is_left_of_a_removed_contract_is_named() -> None:
    volumes: dict[str, dict[str, str]] = {name: {} for name in (*expected.volumes(SERVING), naming.journal("acme"))}
    lock = replace(ALL[WEB], name=naming.lock("acme"), labels=naming.labels("acme", "lock"))
    seen = Seen("acme", {lock.name: lock}, volumes)
    data = list(expected.data_volumes("acme"))
    assert list(leftovers(seen, keep_data=False)) == list(expected.volumes(SERVING))
    assert list(leftovers(seen, keep_data=True)) == [name for name in expected.volumes(SERVING) if name not in data]
    assert drift(SERVING, seen, {}).refresh
