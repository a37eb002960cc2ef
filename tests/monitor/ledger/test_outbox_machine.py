"""The outbox under every order of crashes, time-outs, late workers and people: nothing lost, nothing given twice.

The machine is driven as the worker drives it, one act at a time, and hypothesis chooses who acts next. Two receivers
are told at once: one remembers keys (as a receiver must), the other credits whatever it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from contract.model import Micros
from monitor.ledger import outbox
from monitor.ledger.answers import NotSent, Receipt, Rejected, Unknown

CALL: Micros = 1_000_000
LEASE = 3 * CALL


@dataclass(frozen=True)
class Worker:
    """What one worker knows: its claim, and whether it has looked."""

    claim: outbox.Claim
    looked: bool


class Delivering(RuleBasedStateMachine):
    """One note, any number of workers, a clock that only hypothesis moves."""

    idle = Bundle("idle")

    def __init__(self) -> None:
        super().__init__()
        self.now: Micros = 0
        self.row = outbox.Row(credit=1, state="pending", next_at=0)
        self.credited = 0
        self.known = False
        self.refused_by_receiver = False

    @rule(pause=st.sampled_from([CALL // 2, CALL, LEASE, 10 * CALL, 30 * 24 * 3600 * CALL]))
    def time_passes(self, pause: Micros) -> None:
        self.now += pause

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

    @rule(
        worker=consumes(idle),
        fate=st.sampled_from(["answered", "lost before", "lost after", "killed before", "killed after", "refused"]),
    )
    def it_sends(self, worker: Worker | None, fate: str) -> None:
        if worker is None or (worker.claim.look_first and not worker.looked):
            return
        if not outbox.may_send(self.row, worker.claim.row.token, self.now, CALL):
            self._write(worker, NotSent("too late"))
            return
        if fate == "refused":
            self._write(worker, Rejected("no such account"))
            return
        if fate in {"answered", "lost after", "killed after"}:
            self.credited += 1
            self.known = True
        self.now += CALL
        if fate == "answered":
            self._write(worker, Receipt("R-1"))
        elif fate.startswith("lost"):
            self._write(worker, Unknown("time-out"))

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

    @precondition(lambda self: self.row.state in {"pending", "refused"})
    @rule()
    def what_may_be_withdrawn_never_arrived(self) -> None:
        assert outbox.withdraw(self.row) is not None
        assert not self.known

    @invariant()
    def nothing_is_given_twice_even_where_keys_are_forgotten(self) -> None:
        assert self.credited <= 1

    @invariant()
    def nothing_is_called_done_that_is_not(self) -> None:
        assert self.row.state != "confirmed" or self.credited == 1

    def teardown(self) -> None:
        """However it stands, one worker that is left alone brings it to its end."""
        if self.row.state == "refused":
            self.a_person_says_again()
        for _ in range(3):
            self.now += 30 * 24 * 3600 * CALL
            worker = self.a_worker_claims()
            looked = self.it_looks(worker, answers=True)
            self.it_sends(looked, "answered")
        assert self.row.state == "confirmed"
        assert self.credited == 1

    def _write(self, worker: Worker, answer: outbox.Answer) -> None:
        before = self.row
        after = outbox.finish(before, worker.claim.row.token, answer, self.now)
        assert (after is None) == (before.token != worker.claim.row.token or before.state != "sending")
        self.row = after or before


Delivering.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestDelivering = Delivering.TestCase
