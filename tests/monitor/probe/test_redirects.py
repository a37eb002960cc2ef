from __future__ import annotations

from collections.abc import Callable

import pytest

from monitor.probe.result import Outcome
from tests.support.certificates import Authority
from tests.support.listeners import Answer, Exchange, Listener

Probe = Callable[..., Outcome]


def good(exchange: Exchange) -> None:
    exchange.answer()


def redirecting(location: Callable[[str], str], status: int = 302) -> Answer:
    def answer(exchange: Exchange) -> None:
        exchange.answer(status, b"", location=location(exchange.path))

    return answer


def test_redirects_are_followed_hop_by_hop_with_the_phases_of_each(probe: Probe) -> None:
    def answer(exchange: Exchange) -> None:
        step = int(exchange.path[1:])
        if step < 5:
            exchange.answer(302, b"", location=f"/{step + 1}")
        else:
            exchange.answer()

    with Listener(answer) as server:
        outcome = probe(server.url("/0"))
    assert outcome.ok, outcome
    assert server.requests == ["/0", "/1", "/2", "/3", "/4", "/5"]
    assert [hop.status for hop in outcome.hops] == [302] * 5 + [200]
    assert all((hop.phases.connect or 0) > 0 for hop in outcome.hops)
    assert outcome.phases.total == sum(hop.phases.total for hop in outcome.hops)


def test_http_may_lead_to_https(probe: Probe, authority: Authority) -> None:
    with (
        Listener(good, authority.server("127.0.0.1")) as secure,
        Listener(redirecting(lambda _: secure.url("/in"), 301)) as plain,
    ):
        outcome = probe(plain.url())
    assert outcome.ok, outcome
    assert outcome.certificate_expires is not None


def test_https_never_leads_to_http(probe: Probe, authority: Authority) -> None:
    with Listener(good) as plain:
        tls = authority.server("127.0.0.1")
        with Listener(redirecting(lambda _: plain.url()), tls) as secure:
            assert probe(secure.url()).reason == "redirect-downgrade"
    assert plain.requests == []


def test_another_host_is_never_asked(probe: Probe) -> None:
    with Listener(good) as other, Listener(redirecting(lambda _: other.url(host="localhost"))) as server:
        assert probe(server.url()).reason == "redirect-other-host"
    assert other.requests == []


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://:80/"])
def test_other_schemes_are_refused(probe: Probe, location: str) -> None:
    with Listener(redirecting(lambda _: location)) as server:
        assert probe(server.url()).reason == "redirect-refused"


def test_a_loop_is_seen_at_its_first_turn(probe: Probe) -> None:
    with Listener(redirecting(lambda path: "/b" if path == "/a" else "/a#again")) as server:
        assert probe(server.url("/a")).reason == "redirect-loop"
    assert server.requests == ["/a", "/b"]


def test_too_many_redirects(probe: Probe) -> None:
    with Listener(redirecting(lambda path: f"{path}x")) as server:
        assert probe(server.url()).reason == "too-many-redirects"
    assert len(server.requests) == 6


def test_a_redirect_that_leads_nowhere_is_its_status(probe: Probe) -> None:
    with Listener(lambda exchange: exchange.answer(302, b"")) as server:
        assert probe(server.url()).reason == "http-status-302"
