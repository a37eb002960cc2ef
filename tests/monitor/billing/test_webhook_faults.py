"""Real HTTP on loopback, one fault at a time: a credit is neither lost nor given twice."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from crm.errors import Refused
from monitor.billing.delivery import deliver_due
from monitor.billing.webhook import WebhookAdapter, retry_after
from monitor.ledger import deliveries
from monitor.ledger.credit import Owed
from monitor.ledger.outbox import Row
from monitor.store.database import reading
from tests.support.certificates import make_authority, self_signed
from tests.support.faulty_receiver import SECRET, Fault, FaultyServer, faulty_server
from tests.support.ledgers import DAY, HOUR, MovedClock, add_period, empty_ledger

pytestmark = pytest.mark.slow

NEW_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105  # made up for these tests
TIMEOUT = 400_000
THREE_HOURS = Owed(unit="service-time", seconds=10_800)


class Case:
    """A ledger with one credit, a clock that can be moved, and an adapter to the server under test."""

    def __init__(self, folder: Path, server: FaultyServer, ca_file: Path | None = None) -> None:
        self.clock = MovedClock()
        self.engine = empty_ledger(folder)
        self.credit = add_period(self.engine, "acme", "2026-10", self.clock(), THREE_HOURS)
        real = MovedClock()
        self.adapter = WebhookAdapter(server.url, (SECRET,), real, TIMEOUT, ca_file)

    def deliver(self, later: int = 0) -> Row:
        self.clock.moved += later
        deliver_due(self.engine, {"webhook": self.adapter}, self.clock)
        return self.row()

    def row(self) -> Row:
        with reading(self.engine) as connection:
            row = deliveries.read_row(connection, self.credit)
        assert row is not None
        return row


def test_a_credit_is_delivered_once_and_its_receipt_kept(tmp_path: Path) -> None:
    with faulty_server(tmp_path) as server:
        case = Case(tmp_path, server)
        assert (case.deliver().state, case.row().receipt) == ("confirmed", "R-000001")
        assert case.deliver(later=30 * DAY).state == "confirmed"
        assert server.seen == ["POST"]
        message = server.receiver.credits()[0]
        assert message["data"]["credit"] == {"unit": "service-time", "seconds": 10_800}
        assert server.receiver.term_ends("acme") == message["data"]["term"]["ends"]


@pytest.mark.parametrize("fault", ["time-out after", "500 after", "reset after", "drip after", "huge after"])
def test_what_arrived_before_the_fault_is_found_and_not_sent_again(tmp_path: Path, fault: Fault) -> None:
    with faulty_server(tmp_path, fault) as server:
        case = Case(tmp_path, server)
        assert case.deliver().state == "unknown"
        assert (case.deliver(later=HOUR).state, case.row().receipt) == ("confirmed", "R-000001")
        assert server.seen == ["POST", "GET"]
        assert server.keys() == ["crd_acme_2026-10_1"]


@pytest.mark.parametrize("fault", ["time-out before", "500 before", "reset before"])
def test_what_did_not_arrive_is_looked_for_and_then_sent(tmp_path: Path, fault: Fault) -> None:
    with faulty_server(tmp_path, fault) as server:
        case = Case(tmp_path, server)
        assert case.deliver().state == "unknown"
        assert case.deliver(later=HOUR).state == "confirmed"
        assert server.seen == ["POST", "GET", "POST"]
        assert server.keys() == ["crd_acme_2026-10_1"]


@pytest.mark.parametrize("fault", ["time-out before", "500 before", "reset before", "blank 404", "garbage after"])
def test_nothing_is_sent_while_a_look_up_has_no_answer(tmp_path: Path, fault: Fault) -> None:
    with faulty_server(tmp_path, "500 after", fault, fault) as server:
        case = Case(tmp_path, server)
        case.deliver()
        assert case.deliver(later=HOUR).state == "unknown"
        assert case.deliver(later=HOUR).state == "unknown"
        assert server.posts() == 1
        assert case.deliver(later=DAY).state == "confirmed"
        assert server.keys() == ["crd_acme_2026-10_1"]


@pytest.mark.parametrize("fault", ["empty after", "garbage after"])
def test_an_acceptance_without_a_receipt_is_an_acceptance(tmp_path: Path, fault: Fault) -> None:
    with faulty_server(tmp_path, fault) as server:
        case = Case(tmp_path, server)
        assert (case.deliver().state, case.row().receipt) == ("confirmed", "")
        assert server.keys() == ["crd_acme_2026-10_1"]


def test_410_stops_everything_until_a_person_acts(tmp_path: Path) -> None:
    with faulty_server(tmp_path, "410") as server:
        case = Case(tmp_path, server)
        other = add_period(case.engine, "globex", "2026-10", case.clock(), THREE_HOURS)
        assert case.deliver().state == "refused"
        assert case.deliver(later=30 * DAY).state == "refused"
        assert server.seen == ["POST"]
        with reading(case.engine) as connection:
            assert "410" in deliveries.disabled(connection)["webhook"]
        deliveries.decide(case.engine, case.credit, "retry", "anna", case.clock())
        assert case.deliver().state == "confirmed"
        with reading(case.engine) as connection:
            assert deliveries.disabled(connection) == {}
            row = deliveries.read_row(connection, other)
        assert row is not None
        assert row.state == "confirmed"
        assert sorted(server.keys()) == ["crd_acme_2026-10_1", "crd_globex_2026-10_1"]


def test_410_to_a_look_up_leaves_the_credit_unknown_and_asks_no_more(tmp_path: Path) -> None:
    with faulty_server(tmp_path, "500 after", "410") as server:
        case = Case(tmp_path, server)
        case.deliver()
        assert case.deliver(later=HOUR).state == "unknown"
        assert case.deliver(later=30 * DAY).state == "unknown"
        assert server.seen == ["POST", "GET"]
        deliveries.decide(case.engine, case.credit, "retry", "anna", case.clock())
        assert case.deliver().state == "confirmed"
        assert len(server.keys()) == 1


def test_a_refusal_waits_for_a_person_and_shows_no_escape_codes(tmp_path: Path) -> None:
    with faulty_server(tmp_path, "400") as server:
        case = Case(tmp_path, server)
        assert case.deliver().state == "refused"
        assert case.row().last_error == "the endpoint answered 400: no such account  [31m"
        assert case.deliver(later=30 * DAY).state == "refused"
        assert server.seen == ["POST"]


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with faulty_server(tmp_path, "redirect") as server:
        case = Case(tmp_path, server)
        assert case.deliver().state == "refused"
        assert "redirects are not followed" in case.row().last_error
        assert server.seen == ["POST"]


def test_retry_after_is_honoured_and_bounded(tmp_path: Path) -> None:
    with faulty_server(tmp_path, "429", "503 with a date") as server:
        case = Case(tmp_path, server)
        assert case.deliver().state == "unknown"
        assert case.row().next_at >= case.clock() + 2 * HOUR - 5_000_000
        assert case.deliver(later=HOUR).attempts == 1
        assert case.deliver(later=HOUR).attempts == 2
        assert case.row().next_at <= case.clock() + 8 * DAY


def test_retry_after_reads_seconds_and_dates() -> None:
    now = 1_800_000_000_000_000
    assert retry_after({"retry-after": "120"}, now) == 120_000_000
    assert retry_after({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, now) == 60_000_000
    assert retry_after({"retry-after": "Fri, 15 Jan 2010 08:01:00 GMT"}, now) == 0
    assert retry_after({"retry-after": "soon"}, now) is None
    assert retry_after({}, now) is None


def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    with faulty_server(tmp_path, tls=self_signed(tmp_path, "127.0.0.1")) as server:
        case = Case(tmp_path, server)
        row = case.deliver()
        assert (row.state, server.seen) == ("pending", [])
        assert "certificate" in row.last_error.lower()


def test_a_certificate_of_another_host_gets_nothing(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    with faulty_server(tmp_path, tls=authority.server("billing.example")) as server:
        case = Case(tmp_path, server, authority.file)
        assert (case.deliver().state, server.seen) == ("pending", [])


def test_a_certificate_of_the_named_authority_is_delivered_to(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    with faulty_server(tmp_path, tls=authority.server("127.0.0.1")) as server:
        assert Case(tmp_path, server, authority.file).deliver().state == "confirmed"


def test_nobody_listens_then_somebody_does(tmp_path: Path) -> None:
    with faulty_server(tmp_path) as server:
        case = Case(tmp_path, server)
    assert case.deliver().state == "pending"
    assert case.deliver(later=30 * DAY).state == "pending"
    with faulty_server(tmp_path) as server:
        case.adapter = WebhookAdapter(server.url, (SECRET,), MovedClock(), TIMEOUT)
        assert case.deliver(later=30 * DAY).state == "confirmed"
        assert server.seen == ["POST"]


def test_the_same_message_again_gets_the_same_receipt_and_one_credit(tmp_path: Path) -> None:
    with faulty_server(tmp_path) as server:
        case = Case(tmp_path, server)
        job = deliveries.claim_next(case.engine, frozenset({"webhook"}), case.clock(), HOUR)
        assert job is not None
        assert case.adapter.send(job.note) == case.adapter.send(job.note)
        assert case.adapter.find(job.note.key) == case.adapter.send(job.note)
        assert len(server.keys()) == 1


def test_either_secret_will_do_while_they_are_rotated(tmp_path: Path) -> None:
    for secrets in ((SECRET,), (NEW_SECRET,)):
        folder = tmp_path / secrets[0][-4:]
        folder.mkdir()
        with faulty_server(folder, secrets=secrets) as server:
            case = Case(folder, server)
            case.adapter = WebhookAdapter(server.url, (SECRET, NEW_SECRET), MovedClock(), TIMEOUT)
            assert case.deliver().state == "confirmed"


def test_a_secret_that_the_receiver_does_not_know_is_refused(tmp_path: Path) -> None:
    with faulty_server(tmp_path, secrets=(NEW_SECRET,)) as server:
        case = Case(tmp_path, server)
        assert case.deliver().state == "refused"
        assert "401" in case.row().last_error
        assert server.keys() == []


def test_ten_workers_at_once_send_each_credit_once(tmp_path: Path) -> None:
    with faulty_server(tmp_path) as server:
        case = Case(tmp_path, server)
        for number in range(5):
            add_period(case.engine, f"contract-{number}", "2026-10", case.clock(), THREE_HOURS)
        workers = [threading.Thread(target=case.deliver) for _ in range(10)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert server.posts() == len(server.keys()) == 6


@pytest.mark.parametrize(
    ("endpoint", "secrets", "says"),
    [
        ("ftp://billing.example/", (SECRET,), "not usable"),
        ("https://billing.example/?a=b", (SECRET,), "not usable"),
        ("http://billing.example/", (SECRET,), "unencrypted"),
        ("https://billing.example/", (), "no secret"),
        ("https://billing.example/", ("whsec_",), "not usable"),
        ("https://billing.example/", ("whsec_a",), "not usable"),
    ],
)
def test_an_adapter_that_could_never_work_is_refused(endpoint: str, secrets: tuple[str, ...], says: str) -> None:
    with pytest.raises(Refused, match=says) as refused:
        WebhookAdapter(endpoint, secrets, MovedClock())
    assert not any(secret in str(refused.value) for secret in secrets if len(secret) > 10)


def test_secrets_stay_out_of_what_is_printed() -> None:
    assert SECRET not in repr(WebhookAdapter("https://billing.example/", (SECRET,), MovedClock()))
