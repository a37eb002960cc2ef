from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from crmhost.receiver import MAX_BODY, Receiver, server

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # the example secret of Standard Webhooks
KEY = "crd_acme_2026-10_1"


def message(key: str = KEY, number: int = 1, ends: str | None = "2027-09-02T00:00:00.000000Z") -> bytes:
    data = {"key": key, "account": "C-1042", "contract": "acme", "number": number, "term": {"ends": ends}}
    return json.dumps({"type": "credit.granted", "data": data}).encode()


def signed(key: str, body: bytes, at: datetime | None = None) -> dict[str, str]:
    when = at or datetime.now(UTC)
    return {
        "Webhook-Id": key,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(key, when, body.decode()),
        "Idempotency-Key": key,
    }


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    return Receiver(tmp_path / "received.db", (SECRET,))


def post(receiver: Receiver, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, Any]]:
    key = json.loads(body)["data"]["key"]
    answer = receiver.handle("POST", "/billing", headers or signed(key, body), body)
    return answer.status, answer.body


def test_a_key_has_one_receipt_for_ever_also_after_a_restart(receiver: Receiver) -> None:
    assert post(receiver, message()) == (200, {"key": KEY, "receipt": "R-000001"})
    again = Receiver(receiver.database, (SECRET,))
    assert post(again, message()) == (200, {"key": KEY, "receipt": "R-000001"})
    assert len(again.credits()) == 1


def test_a_key_is_found_or_said_not_to_be_there(receiver: Receiver) -> None:
    path = f"/billing/credits/{KEY}"
    missing = receiver.handle("GET", path, signed(KEY, b""), b"")
    assert (missing.status, missing.body["key"]) == (404, KEY)
    post(receiver, message())
    assert receiver.handle("GET", path, signed(KEY, b""), b"").body == {"key": KEY, "receipt": "R-000001"}


def test_a_key_with_another_body_is_refused(receiver: Receiver) -> None:
    post(receiver, message())
    assert post(receiver, message(ends=None))[0] == 422
    assert len(receiver.credits()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "nonsense"},
        {"webhook-signature": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "1"},
        {"Webhook-Id": "crd_globex_2026-10_1"},
    ],
)
def test_what_is_not_signed_is_not_read(receiver: Receiver, change: dict[str, str]) -> None:
    assert post(receiver, message(), signed(KEY, message()) | change)[0] == 401
    assert receiver.credits() == ()


def test_an_old_message_is_not_replayed(receiver: Receiver) -> None:
    old = signed(KEY, message(), datetime.now(UTC) - timedelta(minutes=6))
    assert post(receiver, message(), old)[0] == 401


def test_the_keys_of_a_message_must_agree(receiver: Receiver) -> None:
    body = message()
    assert post(receiver, body, signed("crd_other_1", body))[0] == 422
    assert post(receiver, body, signed(KEY, body) | {"Idempotency-Key": "another"})[0] == 422


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"type": 1, "data": {"key": "x"}}'])
def test_what_is_no_credit_is_refused(receiver: Receiver, body: bytes) -> None:
    answer = receiver.handle("POST", "/billing", signed(KEY, body), body)
    assert answer.status == 422


def test_the_newest_absolute_date_wins_whatever_the_order(receiver: Receiver) -> None:
    post(receiver, message("crd_acme_2026-11_1", 2, "2027-09-05T00:00:00.000000Z"))
    post(receiver, message(KEY, 1, "2027-09-02T00:00:00.000000Z"))
    assert receiver.term_ends("acme") == "2027-09-05T00:00:00.000000Z"
    post(receiver, message("crd_acme_2026-12_1", 3, None))
    assert receiver.term_ends("acme") == "2027-09-05T00:00:00.000000Z"


def test_ten_at_once_are_one_credit(receiver: Receiver) -> None:
    found: list[Mapping[str, Any]] = []
    senders = [threading.Thread(target=lambda: found.append(post(receiver, message())[1])) for _ in range(10)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert found == [{"key": KEY, "receipt": "R-000001"}] * 10


@pytest.fixture
def port(receiver: Receiver) -> Iterator[int]:
    running = server(receiver)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running.server_address[1]
    running.shutdown()
    thread.join()
    running.server_close()


def test_over_http_it_answers_json(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/billing", message(), signed(KEY, message()))
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["receipt"]) == (200, "R-000001")
    connection.request("GET", "/billing/credits/nothing", headers=signed("nothing", b""))
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    answer.read()
    connection.close()


@pytest.mark.parametrize("length", ["", "x", "²", "-1", str(MAX_BODY + 1)])
def test_over_http_a_body_without_a_fair_length_is_not_read(port: int, length: str) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("POST", "/billing")
    connection.putheader("Content-Length", length.encode("latin-1"))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
