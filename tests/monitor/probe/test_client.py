from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.probe.client import Client
from monitor.probe.handle import MOST_BODY
from monitor.probe.result import Outcome, Request
from tests.support.certificates import Authority, self_signed
from tests.support.listeners import Answer, Exchange, Listener

Probe = Callable[..., Outcome]


def good(exchange: Exchange) -> None:
    exchange.answer()


def redirecting(location: Callable[[str], str], status: int = 302) -> Answer:
    def answer(exchange: Exchange) -> None:
        exchange.answer(status, b"", location=location(exchange.path))

    return answer


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_good_answer_tells_every_phase_of_http(probe: Probe) -> None:
    with Listener(good) as server:
        before = time.time_ns() // 1000
        outcome = probe(server.url("/login"))
        after = time.time_ns() // 1000
    assert outcome.ok, outcome
    assert before <= outcome.at_start < outcome.at_end <= after
    (hop,) = outcome.hops
    assert (hop.url, hop.status, hop.phases.tls, hop.certificate_expires) == (server.url("/login"), 200, None, None)
    parts = [hop.phases.resolve, hop.phases.connect, hop.phases.first_byte]
    assert all(part is not None and part > 0 for part in parts)
    assert sum(part or 0 for part in parts) <= hop.phases.total <= outcome.at_end - outcome.at_start


def test_a_good_answer_over_tls_tells_the_handshake_and_the_certificate(probe: Probe, authority: Authority) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=10)
    with Listener(good, authority.server("127.0.0.1", valid=(begin, end))) as server:
        outcome = probe(server.url())
    assert outcome.ok, outcome
    assert (outcome.phases.tls or 0) > 0
    assert outcome.certificate_expires == int(end.timestamp()) * 1_000_000


def test_ipv6(probe: Probe) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine cannot have an IPv6 loopback address ({error})")
    with Listener(good, host="::1") as server:
        assert probe(server.url()).ok


@pytest.mark.parametrize("status", [204, 301, 400, 403, 404, 500, 502, 503, 599])
def test_another_status_is_named(probe: Probe, status: int) -> None:
    with Listener(lambda exchange: exchange.answer(status, b"")) as server:
        outcome = probe(server.url())
    assert (outcome.reason, outcome.detail) == (f"http-status-{status}", "expected 200")
    assert outcome.hops[0].status == status


def test_any_status_can_be_the_expected_one(probe: Probe) -> None:
    with Listener(redirecting(lambda _: "/elsewhere")) as server:
        assert probe(server.url(), status=302).ok
    assert server.requests == ["/"]


def test_a_name_that_does_not_exist(probe: Probe) -> None:
    outcome = probe("http://crm.invalid/")
    assert outcome.reason == "resolve-failed"
    assert outcome.hops[0].phases.connect is None


def test_nobody_listens(probe: Probe) -> None:
    assert probe(f"http://127.0.0.1:{closed_port()}/").reason == "connect-refused"


def test_a_full_backlog_is_a_connect_timeout(probe: Probe) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        waiting = []
        for _ in range(8):  # nobody accepts: connections beyond the backlog are never answered
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            waiting.append(client)
        outcome = probe(f"http://127.0.0.1:{port}/", timeout=300_000)
        for client in waiting:
            client.close()
    assert outcome.reason == "connect-timeout"


def test_silence_after_the_request_is_a_timeout_of_the_contract_s_length(probe: Probe) -> None:
    with Listener(Exchange.hang) as server:
        outcome = probe(server.url(), timeout=200_000)
    assert outcome.reason == "timeout"
    assert 200_000 <= outcome.at_end - outcome.at_start < 800_000


def test_silence_in_the_middle_of_the_body(probe: Probe) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        exchange.hang()

    with Listener(answer) as server:
        assert probe(server.url(), timeout=200_000).reason == "body-timeout"


def test_silence_in_the_handshake(probe: Probe) -> None:
    with Listener(Exchange.hang) as server:
        plain = server.url().replace("http:", "https:")
        outcome = probe(plain, timeout=200_000)
    assert outcome.reason == "tls-timeout"


def test_a_slow_answer_within_the_time_is_good(probe: Probe) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.stopping.wait(0.1)
        exchange.answer()

    with Listener(answer) as server:
        outcome = probe(server.url(), timeout=2_000_000)
    assert outcome.ok
    assert (outcome.phases.first_byte or 0) >= 100_000


def test_the_time_is_one_budget_for_all_hops(probe: Probe) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.stopping.wait(0.15)
        exchange.answer(302, b"", location=f"{exchange.path}x")

    with Listener(answer) as server:
        outcome = probe(server.url(), timeout=400_000)
    assert outcome.reason in {"timeout", "connect-timeout"}
    assert 400_000 <= outcome.at_end - outcome.at_start < 800_000


def test_a_reset_connection(probe: Probe) -> None:
    with Listener(Exchange.reset) as server:
        assert probe(server.url()).reason == "reset"


def test_a_connection_that_ends_without_an_answer(probe: Probe) -> None:
    with Listener(lambda _: None) as server:
        assert probe(server.url()).reason == "empty-answer"


def test_a_body_that_is_cut_short(probe: Probe) -> None:
    with Listener(lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as server:
        assert probe(server.url()).reason == "body-truncated"


@pytest.mark.parametrize("junk", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x01\x02\x03" * 20, b"HTTP/1.1 9 \r\n\r\n"])
def test_what_is_not_http(probe: Probe, junk: bytes) -> None:
    with Listener(lambda exchange: exchange.send(junk)) as server:
        assert probe(server.url()).reason == "bad-answer"


def test_endless_headers_end(probe: Probe) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        while not exchange.stopping.is_set():
            exchange.send(b"x-more: " + b"y" * 4096 + b"\r\n")

    with Listener(answer) as server:
        assert probe(server.url()).reason == "bad-answer"


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [
        ("text/html; charset=utf-8", "Đăng nhập".encode()),
        ("text/html", "Đăng nhập".encode()),
        ('text/html; charset="UTF-16-LE"', "Đăng nhập".encode("utf-16-le")),
        ("text/html; charset=no-such-set", "Đăng nhập".encode()),
    ],
)
def test_the_expected_text_is_found_in_the_answer_s_own_character_set(
    probe: Probe, content_type: str, sent: bytes
) -> None:
    with Listener(lambda exchange: exchange.answer(200, b"<p>  " + sent, content_type=content_type)) as server:
        assert probe(server.url(), body="Đăng nhập").ok


def test_a_chunked_body_is_searched_across_its_chunks(probe: Probe) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b"log", b"in pa", b"ge"):
            exchange.send(b"%x\r\n%s\r\n" % (len(part), part))
        exchange.send(b"0\r\n\r\n")

    with Listener(answer) as server:
        assert probe(server.url(), body="login page").ok
        assert probe(server.url(), body="logout").reason == "body-missing"


def test_a_huge_body_is_read_up_to_its_bound_and_no_further(probe: Probe) -> None:
    sent = []

    def answer(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nlogin")
        for _ in range(10_000):
            exchange.send(b"x" * 100_000)
            sent.append(100_000)

    with Listener(answer) as server:
        assert probe(server.url()).ok
        assert probe(server.url(), body="login").ok
        outcome = probe(server.url(), body="logout")
    assert (outcome.reason, outcome.detail) == (
        "body-missing",
        f"the expected text is not in the first {MOST_BODY} bytes of the body",
    )
    assert sum(sent) < 100_000_000


def test_details_of_an_answer_are_made_printable_and_short(probe: Probe) -> None:
    with Listener(redirecting(lambda _: "ftp://x/\x1b[31m" + "y" * 1000)) as server:
        outcome = probe(server.url())
    assert outcome.reason == "redirect-refused"
    assert outcome.detail.isprintable()
    assert len(outcome.detail) <= 200


def test_an_expired_certificate(probe: Probe, authority: Authority) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    end = now - timedelta(hours=1)
    with Listener(good, authority.server("127.0.0.1", valid=(now - timedelta(days=9), end))) as server:
        outcome = probe(server.url())
    assert outcome.reason == "tls-expired"
    assert outcome.certificate_expires == int(end.timestamp()) * 1_000_000
    assert server.requests == []


def test_a_certificate_that_is_not_valid_yet(probe: Probe, authority: Authority) -> None:
    begin = datetime.now(UTC) + timedelta(days=1)
    with Listener(good, authority.server("127.0.0.1", valid=(begin, begin + timedelta(days=1)))) as server:
        assert probe(server.url()).reason == "tls-not-yet-valid"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_for_another_name(probe: Probe, authority: Authority, host: str) -> None:
    with Listener(good, authority.server("crm.acme.example")) as server:
        outcome = probe(server.url(host=host))
    assert outcome.reason == "tls-name-mismatch"
    assert outcome.certificate_expires is not None


def test_a_certificate_that_nobody_vouches_for(probe: Probe, tmp_path: Path) -> None:
    with Listener(good, self_signed(tmp_path, "127.0.0.1")) as server:
        outcome = probe(server.url())
    assert outcome.reason == "tls-untrusted"
    assert outcome.certificate_expires is not None


def test_tls_spoken_to_a_plain_server(probe: Probe) -> None:
    with Listener(good) as server:
        assert probe(server.url().replace("http:", "https:"), timeout=1_000_000).reason in {"tls-failed", "tls-timeout"}


def test_a_server_without_a_common_cipher(probe: Probe, authority: Authority) -> None:
    context = authority.server("127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK")  # which no client without a shared key can take
    with Listener(good, context) as server:
        assert probe(server.url()).reason == "tls-failed"


def test_a_missing_file_of_authorities_is_our_own_fault_and_no_downtime(tmp_path: Path, authority: Authority) -> None:
    with (
        Listener(good, authority.server("127.0.0.1")) as server,
        Client(SystemClock(), tmp_path / "missing.pem") as client,
    ):
        client.start(Request("acme", server.url(), 1_000_000))
        (outcome,) = client.wait(2_000_000)
    assert outcome.faulty


def test_many_at_once_each_on_a_connection_of_its_own(trusted: Path) -> None:
    with Listener(good) as server, Client(SystemClock(), trusted) as client:
        for number in range(200):
            client.start(Request(str(number), server.url(f"/{number}"), 10_000_000))
        outcomes: list[Outcome] = []
        while len(client) or len(outcomes) < 200:
            outcomes += client.wait(1_000_000)
    assert all(outcome.ok for outcome in outcomes), [o for o in outcomes if not o.ok][:3]
    assert sorted(server.requests) == sorted(f"/{number}" for number in range(200))


def test_another_thread_can_end_the_wait(trusted: Path) -> None:
    with Client(SystemClock(), trusted) as client:
        began = time.monotonic()
        timer = threading.Timer(0.05, client.wake)
        timer.start()
        assert client.wait(10_000_000) == []
        assert time.monotonic() - began < 1
        timer.join()
        client.wake()  # a wake before the wait ends the next one
        assert client.wait(10_000_000) == []
        assert time.monotonic() - began < 1


def test_closing_gives_up_what_is_under_way_at_once(trusted: Path) -> None:
    with Listener(Exchange.hang) as server:
        client = Client(SystemClock(), trusted)
        client.start(Request("acme", server.url(), 60_000_000))
        client.wait(50_000)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 0.5
