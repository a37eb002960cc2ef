from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from crm.errors import Refused
from monitor.ledger import book, deliveries
from monitor.ledger.reversal import reverse
from monitor.periods import periods_ended
from monitor.settling import Left, Settled, settle_again, settle_due
from monitor.span import Span
from monitor.store.database import metadata, reading, writing
from monitor.store.ledger import APPEND_ONLY, outbox, settlements, statements
from tests.support.settled import CONTRACT, World, at


def settle(world: World, accept: str | None = None, only: str | None = None) -> list[Settled | Left]:
    return list(settle_due(world.settling, [world.agreed], accept, only))


def test_a_month_is_settled_with_its_credit_its_delivery_and_its_statement(tmp_path: Path) -> None:
    world = World(tmp_path).two_months()
    september, october = settle(world)
    assert isinstance(september, Settled)
    assert isinstance(october, Settled)
    assert (september.period, september.credit) == ("2026-09", None)
    assert (october.period, october.credit) == ("2026-10", "crd_acme_2026-10_1")
    assert october.figures["down_us"] == 60_000_000_000
    assert october.figures["availability_decimal"] == "0.977598"
    with reading(world.engine) as connection:
        (credit,) = book.credits_of(connection)
        assert credit.owed.seconds == 180_000
        assert credit.note.term_ends == at("2027-09-01 00:00") + 180_000_000_000
        assert book.extended_seconds(connection, "acme") == 180_000
        row = deliveries.read_row(connection, credit.id)
        assert row is not None
        assert row.state == "pending"
        assert book.chain_end(connection, "acme").sequence == 2


def test_settling_again_is_already_so(tmp_path: Path) -> None:
    world = World(tmp_path).two_months()
    assert len(settle(world)) == 2
    assert settle(world) == []


def test_nothing_is_settled_before_its_end_and_the_grace(tmp_path: Path) -> None:
    world = World(tmp_path).two_months()
    world.clock.now = at("2026-11-01 00:59")
    assert [one.period for one in settle(world)] == ["2026-09"]
    world.clock.now = at("2026-11-01 01:00")
    assert [one.period for one in settle(world)] == ["2026-10"]


def test_nothing_is_settled_before_acceptance_or_after_the_term(tmp_path: Path) -> None:
    world = World(tmp_path)
    labels = [period.label for period in periods_ended(world.agreed.contract, at("2030-01-01 00:00"))]
    assert labels == [f"2026-{month:02}" for month in (9, 10, 11, 12)] + [f"2027-{month:02}" for month in range(1, 9)]
    world.contract = CONTRACT.replace("accepted: 2026-09-01, ", "")
    assert list(periods_ended(world.agreed.contract, at("2030-01-01 00:00"))) == []


def test_too_little_known_waits_for_a_person_and_holds_nobody_up(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.measured(Span("hcm", at("2026-10-01 00:00"), at("2026-11-05 00:00"), "up"))
    september, october = settle(world)
    assert isinstance(september, Left)
    assert "must be accepted" in september.reason
    assert "9/10" in september.reason
    assert isinstance(october, Settled)
    (accepted,) = settle(world, accept="anna")
    assert isinstance(accepted, Settled)
    assert accepted.period == "2026-09"
    with reading(world.engine) as connection:
        approved = {one.period: one.approved_by for one in book.latest_settlements(connection, "acme")}
    assert approved == {"2026-09": "anna", "2026-10": None}


def test_what_was_left_a_moment_ago_can_be_passed_over(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.measured(Span("hcm", at("2026-10-01 00:00"), at("2026-11-05 00:00"), "up"))
    left = {(one.contract, one.period) for one in settle(world) if isinstance(one, Left)}
    assert left == {("acme", "2026-09")}
    assert list(settle_due(world.settling, [world.agreed], skip=left)) == []


def test_only_the_period_that_was_named_is_settled(tmp_path: Path) -> None:
    assert [one.period for one in settle(World(tmp_path).two_months(), only="2026-10")] == ["2026-10"]


def test_settled_terms_are_not_edited_but_amended(tmp_path: Path) -> None:
    world = World(tmp_path).two_months()
    settle(world)
    world.contract = CONTRACT.replace("multiplier: 3", "multiplier: 1")
    september, october = settle(world)
    assert isinstance(september, Left)
    assert september.problem
    assert "amendment" in september.reason
    assert october.period == "2026-10"
    world.contract = CONTRACT + "amendments: [{from: 2026-11-01, sla: {availability: 99 %}}]\n"
    assert settle(world) == []


def test_a_new_layout_or_contact_is_no_edit_of_terms(tmp_path: Path) -> None:
    world = World(tmp_path).two_months()
    settle(world)
    world.contract = CONTRACT.replace("language: vi", "language: en") + "# a remark\n"
    assert settle(world) == []


def test_twenty_runs_at_once_settle_each_period_once(tmp_path: Path) -> None:
    world = World(tmp_path).two_months()
    found: list[Settled | Left] = []
    runs = [threading.Thread(target=lambda: found.extend(settle(world))) for _ in range(20)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(one.period for one in found) == ["2026-09", "2026-10"]
    with reading(world.engine) as connection:
        assert len(book.credits_of(connection)) == 1


def test_a_correction_is_a_reversal_and_a_new_revision(tmp_path: Path) -> None:
    world = World(tmp_path).two_months()
    settle(world)
    with pytest.raises(Refused, match="still stands"):
        settle_again(world.settling, world.agreed, "2026-10", "anna")
    with reading(world.engine) as connection:
        (credit,) = book.credits_of(connection)
    note = reverse(world.engine, credit.id, "the probe was wrong", "anna", world.clock())
    assert (note.key, note.reverses, note.extended_seconds) == ("rev_acme_2026-10_1", "crd_acme_2026-10_1", 0)
    assert note.term_ends == at("2027-09-01 00:00")
    with pytest.raises(Refused, match="reversed before"):
        reverse(world.engine, credit.id, "again", "anna", world.clock())
    assert settle(world) == []
    again = settle_again(world.settling, world.agreed, "2026-10", "anna")
    assert isinstance(again, Settled)
    assert (again.revision, again.credit) == (2, "crd_acme_2026-10_2")
    with reading(world.engine) as connection:
        assert book.extended_seconds(connection, "acme") == 180_000
        assert [one.kind for one in book.credits_of(connection)] == ["credit", "reversal", "credit"]
        assert [one.revision for one in book.latest_settlements(connection, "acme")] == [1, 2]


def test_a_credit_reversed_before_it_was_delivered_is_not_delivered_and_neither_is_its_reversal(
    tmp_path: Path,
) -> None:
    world = World(tmp_path).two_months()
    settle(world)
    with reading(world.engine) as connection:
        (credit,) = book.credits_of(connection)
    reverse(world.engine, credit.id, "the probe was wrong", "anna", world.clock())
    with reading(world.engine) as connection:
        rows = connection.execute(outbox.select()).all()
    assert [(row.credit, row.state) for row in rows] == [(credit.id, "refused")]
    assert deliveries.claim_next(world.engine, frozenset({"webhook"}), world.clock(), 1) is None
    with pytest.raises(Refused, match="withdrawn"):
        deliveries.decide(world.engine, credit.id, "resend", "anna", world.clock())


def test_without_billing_the_credit_still_moves_the_term(tmp_path: Path) -> None:
    world = World(tmp_path, CONTRACT.replace("billing: {system: webhook, account: C-1042}\n", "")).two_months()
    settle(world)
    with reading(world.engine) as connection:
        assert book.extended_seconds(connection, "acme") == 180_000
        assert connection.execute(outbox.select()).all() == []


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_database_itself_refuses_to_change_or_delete_what_was_settled(tmp_path: Path, table: str) -> None:
    world = World(tmp_path).two_months()
    settle(world)
    column = {"documents": "digest", "delivery_log": "who"}.get(table, "contract")
    rows = metadata.tables[table]
    for act in (rows.update().values({column: "x"}), rows.delete()):
        with pytest.raises(IntegrityError, match="only ever added to"), writing(world.engine) as connection:
            connection.execute(act)


def test_a_settlement_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    world = World(tmp_path).two_months()
    with writing(world.engine) as connection:
        connection.execute(
            text("CREATE TRIGGER no_room BEFORE INSERT ON statements BEGIN SELECT RAISE(ABORT, 'no'); END")
        )
    with pytest.raises(IntegrityError):
        settle(world)
    with reading(world.engine) as connection:
        for table in (settlements, statements, outbox):
            assert connection.execute(table.select()).all() == []
        assert book.credits_of(connection) == ()
    with writing(world.engine) as connection:
        connection.execute(text("DROP TRIGGER no_room"))
    assert len(settle(world)) == 2


def test_cycles_have_keys_that_are_safe_everywhere(tmp_path: Path) -> None:
    cycles = CONTRACT.replace(
        "{every: month, timezone: Asia/Ho_Chi_Minh}", "{every: 30 s, from: 2026-11-01T23:58:00+07:00}"
    )
    world = World(tmp_path, cycles.replace("interval: 60 s, timeout: 10 s", "interval: 1 s, timeout: 1 s"))
    world.clock.now = at("2026-11-02 00:00")
    start = at("2026-11-01 23:58")
    world.measured(
        Span("hcm", start, start + 10_000_000, "up"), Span("hcm", start + 10_000_000, at("2026-11-02 00:00"), "down")
    )
    settling = type(world.settling)(world.engine, world.settling.key, world.clock, grace=5_000_000)
    found = list(settle_due(settling, [world.agreed]))
    assert [one.period for one in found if isinstance(one, Settled)] == [
        "2026-11-01T16:58:00Z",
        "2026-11-01T16:58:30Z",
        "2026-11-01T16:59:00Z",
    ]
    keys = [one.credit for one in found if isinstance(one, Settled)]
    assert len(set(keys)) == 3
    assert all(key and key.replace("_", "").replace("-", "").isalnum() for key in keys)
