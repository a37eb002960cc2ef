from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from crm.errors import Refused
from monitor.ledger import book, deliveries
from monitor.ledger.answers import Answer, NotSent, Receipt, Rejected, Unknown
from monitor.ledger.credit import Owed
from monitor.ledger.reversal import reverse
from monitor.ledger.schedule import LATE_AFTER
from monitor.store.database import reading
from tests.support.ledgers import DAY, HOUR, add_period, empty_ledger

WEBHOOK = frozenset({"webhook"})
NOON = 1_800_000_000_000_000
TIME = Owed("service-time", seconds=3_600)
MONEY = Owed("money", amount="12.30", currency="USD")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return empty_ledger(tmp_path)


def claim(engine: Engine, now: int = NOON) -> deliveries.Job | None:
    return deliveries.claim_next(engine, WEBHOOK, now, HOUR)


def deliver(engine: Engine, answer: Answer, now: int = NOON) -> str:
    """Claim the next note and let billing answer; returns the note's key."""
    job = claim(engine, now)
    assert job is not None
    deliveries.finish(engine, job, answer, now)
    return job.note.key


def test_notes_of_one_contract_go_out_in_order_and_contracts_do_not_wait_for_each_other(engine: Engine) -> None:
    for contract, period in (("acme", "2026-10"), ("acme", "2026-11"), ("globex", "2026-10")):
        add_period(engine, contract, period, NOON, TIME)
    assert deliver(engine, Unknown("time-out")) == "crd_acme_2026-10_1"
    assert deliver(engine, Receipt("R-1")) == "crd_globex_2026-10_1"
    assert claim(engine) is None
    assert deliver(engine, Receipt("R-2"), NOON + DAY) == "crd_acme_2026-10_1"
    assert deliver(engine, Receipt("R-3"), NOON + DAY) == "crd_acme_2026-11_1"


def test_a_refused_note_holds_nobody_up(engine: Engine) -> None:
    add_period(engine, "acme", "2026-10", NOON, TIME)
    add_period(engine, "acme", "2026-11", NOON, TIME)
    deliver(engine, Rejected("no such account"))
    assert deliver(engine, Receipt("R-1")) == "crd_acme_2026-11_1"


def test_a_worker_that_comes_too_late_writes_nothing(engine: Engine) -> None:
    credit = add_period(engine, "acme", "2026-10", NOON, TIME)
    late, quick = claim(engine), claim(engine, NOON + HOUR)
    assert late is not None
    assert quick is not None
    assert (late.look_first, quick.look_first) == (False, True)
    assert not deliveries.still_mine(engine, late, NOON + HOUR, 0)
    assert deliveries.finish(engine, quick, Receipt("R-1"), NOON + HOUR) is not None
    assert deliveries.finish(engine, late, Unknown("time-out"), NOON + HOUR) is None
    with reading(engine) as connection:
        row = deliveries.read_row(connection, credit)
        past = deliveries.history(connection, credit)
    assert row is not None
    assert (row.state, row.receipt) == ("confirmed", "R-1")
    assert [(one.who, one.state) for one in past] == [
        ("settle", "pending"),
        ("worker", "sending"),
        ("worker", "sending"),
        ("worker", "confirmed"),
    ]


def test_the_reversal_of_a_delivered_credit_is_delivered_with_the_date_that_is_left(engine: Engine) -> None:
    first = add_period(engine, "acme", "2026-10", NOON, TIME)
    add_period(engine, "acme", "2026-11", NOON, TIME)
    deliver(engine, Receipt("R-1"))
    deliver(engine, Receipt("R-2"))
    reverse(engine, first, "a mistake", "anna", NOON)
    job = claim(engine)
    assert job is not None
    assert (job.note.kind, job.note.reverses, job.note.number) == ("reversal", "crd_acme_2026-10_1", 3)
    assert job.note.extended_seconds == 3_600
    assert job.note.term_ends == NOON + 365 * DAY + HOUR
    with reading(engine) as connection:
        assert book.extended_seconds(connection, "acme") == 3_600


def test_an_unknown_credit_that_is_reversed_is_settled_with_billing_first(engine: Engine) -> None:
    credit = add_period(engine, "acme", "2026-10", NOON, MONEY)
    deliver(engine, Unknown("time-out"))
    reverse(engine, credit, "a mistake", "anna", NOON)
    assert deliver(engine, Receipt("R-1"), NOON + DAY) == "crd_acme_2026-10_1"
    assert deliver(engine, Receipt("R-2"), NOON + DAY) == "rev_acme_2026-10_1"


def test_service_time_that_later_dates_count_in_is_not_withdrawn(engine: Engine) -> None:
    first = add_period(engine, "acme", "2026-10", NOON, TIME)
    deliver(engine, Rejected("no such account"))
    add_period(engine, "acme", "2026-11", NOON, TIME)
    deliver(engine, Receipt("R-1"))
    reverse(engine, first, "a mistake", "anna", NOON)
    assert deliver(engine, Receipt("R-2")) == "rev_acme_2026-10_1"


def test_money_that_billing_refused_is_withdrawn(engine: Engine) -> None:
    first = add_period(engine, "acme", "2026-10", NOON, MONEY)
    deliver(engine, Rejected("no such account"))
    add_period(engine, "acme", "2026-11", NOON, MONEY)
    reverse(engine, first, "a mistake", "anna", NOON)
    assert deliver(engine, Receipt("R-1")) == "crd_acme_2026-11_1"
    assert claim(engine, NOON + DAY) is None


def test_what_a_person_decides_fits_the_state_or_is_refused(engine: Engine) -> None:
    credit = add_period(engine, "acme", "2026-10", NOON, TIME)
    deliver(engine, Unknown("time-out"))
    assert deliveries.decide(engine, credit, "resend", "anna", NOON).state == "pending"
    job = claim(engine)
    assert job is not None
    assert not job.look_first
    with pytest.raises(Refused, match="sending"):
        deliveries.decide(engine, credit, "retry", "anna", NOON)
    deliveries.finish(engine, job, Unknown("time-out"), NOON)
    assert deliveries.decide(engine, credit, "confirmed", "anna", NOON).state == "confirmed"
    with pytest.raises(Refused, match="confirmed"):
        deliveries.decide(engine, credit, "resend", "anna", NOON)
    with pytest.raises(Refused, match="nothing of it"):
        deliveries.decide(engine, 99, "retry", "anna", NOON)


def test_what_needs_a_person_is_listed_with_its_reason(engine: Engine) -> None:
    add_period(engine, "acme", "2026-10", NOON, TIME)
    add_period(engine, "globex", "2026-10", NOON, TIME, system="paper")
    now = NOON
    for _ in range(LATE_AFTER):
        with reading(engine) as connection:
            assert [one.reason for one in deliveries.troubles(connection, WEBHOOK)] == [
                "no billing system `paper` is set up"
            ]
        deliver(engine, NotSent("connection refused"), now)
        now += 2 * DAY
    with reading(engine) as connection:
        late, _ = deliveries.troubles(connection, WEBHOOK)
    assert late == (1, "crd_acme_2026-10_1", "tried 6 times: connection refused")
    deliver(engine, Rejected("it wants no more credits", gone=True), now)
    add_period(engine, "acme", "2026-11", now, TIME)
    with reading(engine) as connection:
        reasons = [one.reason for one in deliveries.troubles(connection, WEBHOOK)]
    assert reasons[0] == "refused: it wants no more credits"
    assert reasons[2] == "nothing is sent to `webhook`: it wants no more credits"


def test_the_next_due_instant_is_known(engine: Engine) -> None:
    assert deliveries.next_due(engine, WEBHOOK) is None
    add_period(engine, "acme", "2026-10", NOON, TIME)
    assert deliveries.next_due(engine, WEBHOOK) == NOON
    assert claim(engine) is not None
    assert deliveries.next_due(engine, WEBHOOK) == NOON + HOUR
