"""The outbox under every order of crashes, time-outs, late workers and people: nothing lost, nothing given twice.

The machine is driven as the worker drives it, one act at a time, and hypothesis chooses who acts next. The receiver
credits whatever it is sent, so that its own memory for keys hides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from contract.model import Micros
from monitor.ledger import outbox
from monitor.ledger.answers import Answer, NotSent, Receipt, Rejected, Unknown

CALL: Micros = 1_000_000
LEASE = 3 * CALL


@dataclass(frozen=True)
class Worker:
    """What one worker knows: its claim, and whether it has looked."""

    claim: outbox.Claim
    looked: bool


@dataclass(frozen=True)
class Call:
    """A request on its way: what will become of it, and when it ends."""

    worker: Worker
    fate: str
    ends: Micros


class Delivering(RuleBasedStateMachine):
    """One note, any number of workers, a clock that only hypothesis moves."""

    idle = Bundle("idle")

    def __init__(self) -> None:
        super().__init__()
        self.now: Micros = 0
        self.row = outbox.Row(credit=1, state="pending", next_at=0)
        self.credited = 0
        self.known = False
        self.calls: list[Call] = []

    @rule(pause=st.sampled_from([CALL // 2, LEASE - CALL // 2, LEASE, 30 * 24 * 3600 * CALL]))
    def time_passes(self, pause: Micros) -> None:
        """A call has its effect at the last instant that it may, and ends then."""
        until = self.now + pause
        for call in [one for one in self.calls if one.ends <= until]:
            self.calls.remove(call)
            self.now = call.ends
            self._end(call)
        self.now = until

    def _end(self, call: Call) -> None:
        if call.fate in {"answered", "lost after", "killed"}:
            self.credited += 1
            self.known = True
        if call.fate == "answered":
            self._write(call.worker, Receipt("R-1"))
        elif call.fate == "refused":
            self._write(call.worker, Rejected("no such account"))
        elif call.fate != "killed":
            self._write(call.worker, Unknown("time-out"))

    @rule(target=idle)
    def a_worker_claims(self) -> Worker | None:
        claim = outbox.claim(self.row, self.now, LEASE)
        if claim is None:
            return None
        assert self.row.state != "confirmed"
        self.row = claim.row
        return Worker(claim, looked=False)

    @rule(target=idle, worker=consumes(idle), answers=st.booleans())
    def it_looks(self, worker: Worker | None, answers: bool) -> Worker | None:
        if worker is None or worker.looked or not worker.claim.look_first:
            return worker
        if not answers:
            self._write(worker, Unknown("no answer"))
            return None
        if self.known:
            self._write(worker, Receipt("R-1"))
            return None
        return Worker(worker.claim, looked=True)

    @rule(worker=consumes(idle), fate=st.sampled_from(["answered", "lost before", "lost after", "killed", "refused"]))
    def it_begins_to_send(self, worker: Worker | None, fate: str) -> None:
        if worker is None or (worker.claim.look_first and not worker.looked):
            return
        if outbox.may_send(self.row, worker.claim.row.token, self.now, CALL):
            self.calls.append(Call(worker, fate, self.now + CALL))
        else:
            self._write(worker, NotSent("too late"))

    @rule(worker=consumes(idle))
    def it_dies(self, worker: Worker | None) -> None:
        """Whatever it had claimed stays claimed."""

    @rule(worker=consumes(idle))
    def it_cannot_connect(self, worker: Worker | None) -> None:
        if worker is not None and (worker.looked or not worker.claim.look_first):
            self._write(worker, NotSent("connection refused"))

    @rule()
    def a_person_says_again(self) -> None:
        self.row = outbox.decide(self.row, "retry", self.now) or self.row

    @invariant()
    def what_may_be_withdrawn_never_arrived_and_never_will(self) -> None:
        if outbox.withdraw(self.row) is not None:
            assert not self.known
            assert not self.calls

    @invariant()
    def nothing_is_given_twice_even_where_keys_are_forgotten(self) -> None:
        assert self.credited <= 1

    @invariant()
    def nothing_is_called_done_that_is_not(self) -> None:
        assert self.row.state != "confirmed" or self.credited == 1

    def teardown(self) -> None:
        """However it stands, one worker that is left alone brings it to its end."""
        self.time_passes(CALL)
        self.a_person_says_again()
        for _ in range(3):
            self.time_passes(30 * 24 * 3600 * CALL)
            worker = self.a_worker_claims()
            looked = self.it_looks(worker, answers=True)
            self.it_begins_to_send(looked, "answered")
            self.time_passes(CALL)
        assert self.row.state == "confirmed"
        assert self.credited == 1

    def _write(self, worker: Worker, answer: Answer) -> None:
        before = self.row
        after = outbox.finish(before, worker.claim.row.token, answer, self.now)
        assert (after is None) == (before.token != worker.claim.row.token or before.state != "sending")
        self.row = after or before


Delivering.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestDelivering = pytest.mark.slow(Delivering.TestCase)


def test_no_call_begins_that_could_outlive_its_lease() -> None:
    claimed = outbox.claim(outbox.Row(credit=1, state="pending", next_at=0), 0, LEASE)
    assert claimed is not None
    assert outbox.may_send(claimed.row, 1, LEASE - CALL, CALL)
    assert not outbox.may_send(claimed.row, 1, LEASE - CALL + 1, CALL)
